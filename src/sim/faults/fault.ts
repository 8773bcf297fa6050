import type { SeededRandom } from "../../base/random.ts";
import type { FaultEvent } from "../plan.ts";
import type { World } from "../world/world.ts";

/** Undoes what the fault did; called once, at its end or when the world heals. */
export type Heal = () => void;

export type FaultKind = {
  readonly name: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** Draws the rest of an event; undefined: it does not fit this world. */
  readonly draw: (random: SeededRandom, world: DrawContext) => Omit<FaultEvent, "atMs" | "kind"> | undefined;
  readonly happens: (world: World, event: FaultEvent, random: SeededRandom) => Heal | undefined;
};

/** What a draw may know: the shape of the world, nothing of its course. */
export type DrawContext = {
  readonly hosts: readonly string[];
  /** Hosts that run VMs. */
  readonly workers: readonly string[];
  readonly vms: readonly string[];
  readonly deadlineMs: number;
};
