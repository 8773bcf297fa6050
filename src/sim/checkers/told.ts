import { limits } from "../../core/limits.ts";
import type { StoreKey, VmId } from "../../model/ids.ts";
import { keys, parseKey } from "../../model/keys.ts";
import type { VmMove, VmOrder, VmPlan } from "../../model/move-records.ts";
import type { Event } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

const lookEveryMs = 1_000;
/**
 * For so long in sum a cluster that works may keep something waiting without a word; a host that nobody
 * heard since the start is waited for in silence (S8).
 */
const silentMaxMs = limits.unheardMs + 40_000;

/** Why a VM is given up, and whether that was said: it is once, and holds until it is forgotten, under a lock and after it. */
type GivenUp = { readonly code: string; said: boolean };

type Waiting = { readonly since: number; readonly about: VmId; ms: number; said: boolean };
/** About which VM it is that waits; `givenUp`: nothing but the word for that tells why. */
type Open = { readonly about: VmId; readonly givenUp: GivenUp | undefined };

/**
 * LIVE: whatever goes wrong meanwhile, a VM that is wanted and has not executed, an order, and a move that is open have a
 * stated reason before long: only time counts in which heartbeats commit, and only words that are newer than its begin. Of a
 * VM that is given up only that very word counts, whenever it was said since.
 */
export const waitsAreTold: CheckerKind = {
  rule: "LIVE",
  make: (world, fail) => {
    const waiting = new Map<string, Waiting>();
    const wordAt = new Map<VmId, number>();
    const givenUp = new Map<VmId, GivenUp>();
    /** Orders and moves that are on record. */
    const asked = new Set<StoreKey>();
    let beatAt = 0;
    let failed = false;
    const look = (): void => {
      const { now } = world.scheduler;
      const open = openIn(world, givenUp, asked);
      for (const key of waiting.keys()) if (!open.has(key)) waiting.delete(key);
      const works = now - beatAt < lookEveryMs && !world.truth.values.has(keys.disarm);
      for (const [key, { about, givenUp: lost }] of open) {
        // It may have been said in the moment in which it began.
        const said = now - (wordAt.get(about) ?? -lookEveryMs) < lookEveryMs;
        const known: Waiting = waiting.get(key) ?? { since: now, about, ms: 0, said };
        waiting.set(key, known);
        if (works) known.ms += lookEveryMs;
        if (known.ms < silentMaxMs || (lost ?? known).said || failed) continue;
        failed = true;
        fail(`${key} waits since ${Math.floor(known.since / 1000)} s, and nobody says why`);
      }
    };
    const giveUp = (vm: VmId): void => {
      const code = errorOf(world, vm);
      if (code === undefined) givenUp.delete(vm);
      else if (givenUp.get(vm)?.code !== code) givenUp.set(vm, { code, said: saidNow(vm, code) });
    };
    // Its word may come before it in the same transaction.
    const saidNow = (vm: VmId, code: string): boolean => {
      const word = world.truth.lastWord.get(vm);
      return word?.type === code && wordAt.get(vm) === world.scheduler.now;
    };
    const heard = ({ subjects, type }: Event): void => {
      const lost = subjects.vm === undefined ? undefined : givenUp.get(subjects.vm);
      if (lost?.code === type) lost.said = true;
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
      beats: ({ value }) => {
        if (value !== undefined) beatAt = world.scheduler.now;
      },
      committed: ({ name, key, value }) => {
        if (name.kind === "vm-order" || name.kind === "vm-move") {
          if (value === undefined) asked.delete(key);
          else asked.add(key);
        }
        if (name.kind === "owner" || name.kind === "vm" || name.kind === "vm-plan") giveUp(name.vm);
        if (name.kind === "event" && value !== undefined) heard(value as Event);
      },
    };
  },
};

/** What waits now. */
function openIn(world: World, givenUp: ReadonlyMap<VmId, GivenUp>, asked: ReadonlySet<StoreKey>): Map<string, Open> {
  const open = new Map<string, Open>();
  for (const [id, vm] of world.truth.vms) {
    const lost = givenUp.get(id);
    if (vm.requested !== "started" || (vm.lock !== null && lost === undefined)) continue;
    if (world.copiesOf(id).some((copy) => copy.host.executes(copy))) continue;
    const why = lost === undefined ? "" : `, given up (${lost.code}),`;
    open.set(`the start of ${id}${why}`, { about: id, givenUp: lost });
  }
  for (const key of asked) {
    const value = world.truth.values.get(key);
    const name = parseKey(key);
    if (name.kind === "vm-order")
      open.set(`the order ${(value as VmOrder).at} for ${name.vm}`, { about: name.vm, givenUp: undefined });
    if (name.kind === "vm-move" && (value as VmMove).answer.kind === "open")
      open.set(`the move ${(value as VmMove).at} of ${name.vm}`, { about: name.vm, givenUp: undefined });
  }
  return open;
}

function errorOf({ truth }: World, id: VmId): string | undefined {
  const plan = truth.values.get(keys.vmPlan(id)) as VmPlan | undefined;
  if (plan !== undefined && plan.error !== null) return plan.error.code;
  const vm = truth.vms.get(id);
  const owner = truth.owners.get(id);
  if (vm === undefined || owner?.kind !== "released" || owner.failedHosts.length <= vm.maxRelocate) return undefined;
  return "vm-gave-up";
}
