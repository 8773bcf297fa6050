import type { HostId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Cluster, Owner } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { Writer } from "./checker.ts";

/** Numbers that only the lost host may have used (S24). */
export const leapMin = 100;

/** A takeover is being written, and this is of its host's daemon and about a host that it goes on without: nobody's judgement. */
export function isOfTakeover(world: World, writer: Writer | null, about: HostId): boolean {
  const forced = forcedOf(world);
  return forced?.open === true && writer?.host.id === forced.by && forced.without.includes(about);
}

/** What a lost host holds it still holds, only under a number that it cannot have used: nothing starts, and nobody gets it (S24). */
export function isLeap(world: World, before: unknown, value: unknown): boolean {
  const [was, is] = [before as Owner | undefined, value as Owner | undefined];
  if (was?.kind !== "held" || is?.kind !== "held" || is.epoch < was.epoch + leapMin) return false;
  return is.host === was.host && is.incarnation === was.incarnation && forcedOf(world)?.open === true;
}

/** The last takeover, as the cluster's record has it. */
export function forcedOf({ truth }: World): Cluster["forced"] {
  return (truth.values.get(keys.cluster) as Cluster | undefined)?.forced;
}
