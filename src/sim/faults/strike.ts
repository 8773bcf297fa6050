import type { SeededRandom } from "../../base/random.ts";
import type { FaultEvent } from "../plan.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";

type Struck = Omit<FaultEvent, "atMs" | "kind"> & { readonly forMs: number };

/** A fault that another one brings about at a moment of its own; it is over when the world heals, at the latest. */
export function strikeWith(world: World, kind: FaultKind, struck: Struck, random: SeededRandom): void {
  const { now } = world.scheduler;
  if (now >= world.plan.healAtMs) return;
  const heal = kind.happens(world, { atMs: now, kind: kind.name, ...struck }, random);
  world.disturb(struck.forMs);
  if (heal !== undefined) world.scheduler.at(Math.min(now + struck.forMs, world.plan.healAtMs), heal);
}
