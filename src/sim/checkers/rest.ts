import type { HostId, VmId } from "../../model/ids.ts";
import { parseKey } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { FenceRecord, Vm } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import { isEvening } from "./balance.ts";
import type { CheckerKind } from "./kind.ts";

/** What may be said of a VM that does not run: a reason that a person can act on. */
const reasons = [
  ...["vm-nowhere", "vm-gave-up", "vm-waits-for-proof", "vm-waits-for-source", "vm-failed"],
  ...["vm-locked", "vm-stop-failed", "vm-lost-while-locked"],
];
const lookEveryMs = 1_000;
/** A move that evens out the hosts may come at any time, and is over by then with all that follows from it (PL5). */
const eveningMs = 60_000;

/**
 * LIVE: some time after the last fault is over, each wanted VM runs exactly once or has a stated reason, nothing else
 * runs, every host beats, and no task or wish stays open.
 */
export const comesToRest: CheckerKind = {
  rule: "LIVE",
  make: (world, fail) => {
    let said = false;
    const evening = new Map<VmId, number>();
    const isAway = (vm: VmId): boolean => world.scheduler.now - (evening.get(vm) ?? -eveningMs) < eveningMs;
    const look = (): void => {
      const open = unrest(world, isAway);
      if (open.length > 0 && !said) {
        said = true;
        for (const text of open) fail(text);
      }
    };
    // From the bound on it has to stay at rest until the end.
    for (let at = world.plan.restByMs; at <= world.plan.endAtMs; at += lookEveryMs) world.scheduler.at(at, look);
    return {
      committed: ({ name, value, before }) => {
        const move = value as VmMove | undefined;
        const isNew = name.kind === "vm-move" && move?.at !== (before as VmMove | undefined)?.at;
        if (isNew && isEvening(move)) evening.set(move.vm, world.scheduler.now);
      },
    };
  },
};

/** Everything that is not as it should be in a healed world. */
function unrest(world: World, isAway: (vm: VmId) => boolean): string[] {
  const found: string[] = [];
  for (const [id, vm] of world.truth.vms) if (!isAway(id)) found.push(...unrestOf(world, id, vm));
  for (const host of world.hosts) {
    if (!host.works) found.push(`${host.id} is off or frozen`);
    else if (!world.isWitness(host)) found.push(...unrestOfHost(world, host.id));
    found.push(...powerStillAtStake(world, host.id));
    for (const copy of host.copies.values()) {
      if (!world.truth.vms.has(copy.run.vm)) found.push(`a copy of the deleted ${copy.run.vm} is left on ${host.id}`);
    }
  }
  for (const task of world.truth.tasks.values()) {
    if (task.end === null && !hasReason(world, task.vm)) found.push(`task ${task.kind} of ${task.vm} stays open`);
  }
  for (const intent of world.truth.intents.values()) {
    if (intent.answer.kind === "open") {
      const about = intent.kind === "reset-vm" ? intent.vm : intent.host;
      found.push(`the wish ${intent.kind} for ${about} is never answered`);
    }
  }
  for (const key of world.truth.values.keys()) {
    const name = parseKey(key);
    if (name.kind === "vm-order") found.push(`the order ${key} is neither carried out nor dropped`);
    if (name.kind === "vm-move" && !isAway(name.vm)) found.push(`the move ${key} never ends`);
  }
  return found;
}

function unrestOfHost(world: World, host: string): string[] {
  const beat = [...world.truth.beats].find(([id]) => id === host)?.[1];
  const silentMs = world.scheduler.now - (beat?.at ?? 0);
  return silentMs > 4 * world.profile.heartbeatMs ? [`${host} has not beaten for ${Math.floor(silentMs)} ms`] : [];
}

/** S9: who came back is of use again only once its power is sure to stay: no cut of an earlier life's is left open. */
function powerStillAtStake({ truth }: World, host: HostId): string[] {
  const present = truth.registrations.get(host)?.incarnation;
  if (present === undefined || truth.fences.has(`${host}/${present}`)) return [];
  return [...truth.values].flatMap(([key, value]) => {
    const name = parseKey(key);
    if (name.kind !== "fence" || name.host !== host || name.incarnation >= present) return [];
    const { device, proofs } = value as FenceRecord;
    const isOpen = device === "begun" && !proofs.includes("power-off");
    return isOpen ? [`${host} is back as ${host}/${present}, and the power of ${key} is still to be cut`] : [];
  });
}

function unrestOf(world: World, id: string, vm: Vm): string[] {
  const copies = world.copiesOf(id);
  const running = copies.filter((copy) => copy.host.executes(copy));
  const only = running[0];
  if (vm.requested === "started") {
    if (copies.length === 1 && only !== undefined) {
      const named = world.truth.isNamed(vm.id, only.host.id, only.run);
      return named ? [] : [`${id} runs on ${only.host.id} as epoch ${only.run.epoch}, its owner record says otherwise`];
    }
    if (copies.length === 0 && hasReason(world, id)) return [];
    return [`${id} is wanted: ${copies.length} copies, ${running.length} of them run, and no reason is stated`];
  }
  if (vm.requested === "ignored") return copies.length > 1 ? [`${id} has ${copies.length} copies`] : [];
  return copies.length === 0 ? [] : [`${id} is not wanted, but ${copies.length} copies are there`];
}

function hasReason(world: World, id: string): boolean {
  for (const [vm, event] of world.truth.lastWord) if (vm === id) return reasons.includes(event.type);
  return false;
}
