import { limits } from "../../core/limits.ts";
import type { VmId } from "../../model/ids.ts";
import { keys, parseKey } from "../../model/keys.ts";
import type { VmMove, VmOrder } from "../../model/move-records.ts";
import type { Event } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

const lookEveryMs = 1_000;
/**
 * For so long in sum a cluster that works may keep something waiting without a word; a host that nobody
 * heard since the start is waited for in silence (S8).
 */
const silentMaxMs = limits.unheardMs + 40_000;

type Waiting = { readonly since: number; readonly about: VmId; ms: number; said: boolean };

/**
 * LIVE: whatever goes wrong meanwhile, a VM that is wanted and has not executed, an order, and a move that is open have a
 * stated reason before long: only time counts in which heartbeats commit, and only words that are newer than its begin.
 */
export const waitsAreTold: CheckerKind = {
  rule: "LIVE",
  make: (world, fail) => {
    const waiting = new Map<string, Waiting>();
    const wordAt = new Map<VmId, number>();
    let beatAt = 0;
    let failed = false;
    const look = (): void => {
      const { now } = world.scheduler;
      const open = openIn(world);
      for (const key of waiting.keys()) if (!open.has(key)) waiting.delete(key);
      const works = now - beatAt < lookEveryMs && !world.truth.values.has(keys.disarm);
      for (const [key, about] of open) {
        // It may have been said in the moment in which it began.
        const said = now - (wordAt.get(about) ?? -lookEveryMs) < lookEveryMs;
        const known: Waiting = waiting.get(key) ?? { since: now, about, ms: 0, said };
        waiting.set(key, known);
        if (works) known.ms += lookEveryMs;
        if (known.ms < silentMaxMs || known.said || failed) continue;
        failed = true;
        fail(`${key} waits since ${Math.floor(known.since / 1000)} s, and nobody says why`);
      }
    };
    const heard = ({ subjects }: Event): void => {
      if (subjects.vm !== undefined) wordAt.set(subjects.vm, world.scheduler.now);
      for (const one of waiting.values()) {
        const owner = world.truth.owners.get(one.about)?.host;
        if (subjects.vm === one.about || (subjects.vm === undefined && owner !== undefined && subjects.host === owner))
          one.said = true;
      }
    };
    let lookAt = lookEveryMs;
    return {
      // No events of its own: a story goes as it would without anybody who looks.
      audit: () => {
        if (world.scheduler.now < lookAt) return;
        lookAt = world.scheduler.now + lookEveryMs;
        look();
      },
      committed: ({ name, value }) => {
        if (name.kind === "heartbeat" && value !== undefined) beatAt = world.scheduler.now;
        if (name.kind === "event" && value !== undefined) heard(value as Event);
      },
    };
  },
};

/** What waits now, and about which VM it is. */
function openIn(world: World): Map<string, VmId> {
  const open = new Map<string, VmId>();
  for (const [id, vm] of world.truth.vms) {
    if (vm.requested !== "started" || vm.lock !== null) continue;
    if (!world.copiesOf(id).some((copy) => copy.host.executes(copy))) open.set(`the start of ${id}`, id);
  }
  for (const [key, value] of world.truth.values) {
    const name = parseKey(key);
    if (name.kind === "vm-order") open.set(`the order ${(value as VmOrder).at} for ${name.vm}`, name.vm);
    if (name.kind === "vm-move" && (value as VmMove).answer.kind === "open")
      open.set(`the move ${(value as VmMove).at} of ${name.vm}`, name.vm);
  }
  return open;
}
