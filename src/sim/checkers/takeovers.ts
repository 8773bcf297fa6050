import type { HostId, VmId } from "../../model/ids.ts";
import type { Cluster, FenceRecord, Owner } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { Fail } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";
import { forcedOf, isOfTakeover, leapMin } from "./of-takeover.ts";
import { isLeadersAlone } from "./ownership.ts";

/**
 * S23, S24: who goes on without the other one ends it by a proof that is true, only after all epochs that it may have used were
 * leapt over; nobody decides anything before all of it is written; and the other one votes again only as a life that is heard.
 */
export const takeoversAreWhole: CheckerKind = {
  rule: "S24",
  make: (world, fail) => {
    /** Epochs of the lost hosts' VMs as they were when the store was said to be forced. */
    const epochs = new Map<VmId, number>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "cluster") {
          const [was, is] = [(before as Cluster | undefined)?.forced, (value as Cluster | undefined)?.forced];
          if (is?.open === true && was?.open !== true) note(world, is.without, epochs);
          for (const host of was?.without ?? [])
            if (is?.open !== true && was?.open !== true && is?.without.includes(host) === false)
              checkBack(world, host, fail);
        }
        if (name.kind === "fence" && value !== undefined && isOfTakeover(world, writer, name.host))
          checkEnd(world, name.host, value as FenceRecord, epochs, fail);
        if (name.kind !== "owner" || writer === null || forcedOf(world)?.open !== true) return;
        if (isLeadersAlone(name.kind, before, value))
          fail(`${name.vm} is placed by ${writer.host.id}, and a takeover is not written to its end`);
      },
    };
  },
};

function note(world: World, lost: readonly HostId[], epochs: Map<VmId, number>): void {
  epochs.clear();
  for (const [vm, owner] of world.truth.owners)
    if (owner.kind === "held" && lost.includes(owner.host)) epochs.set(vm, owner.epoch);
}

function checkEnd(
  world: World,
  host: HostId,
  { proofs }: FenceRecord,
  epochs: ReadonlyMap<VmId, number>,
  fail: Fail,
): void {
  const machine = world.host(host);
  const registration = world.truth.registrations.get(host);
  const since = world.truth.registeredAt.get(`${host}/${registration?.incarnation}`) ?? 0;
  if (proofs.includes("word") && machine.poweredOffAt < since)
    fail(`${host}/${registration?.incarnation} is said to be off by a word, and has been on ever since it registered`);
  for (const [vm, owner] of world.truth.owners as ReadonlyMap<VmId, Owner>) {
    const before = epochs.get(vm);
    if (owner.kind === "held" && owner.host === host && before !== undefined && owner.epoch < before + leapMin)
      fail(`${host} is fenced, and ${vm} goes on with epoch ${owner.epoch + 1}, which it may have used`);
  }
}

function checkBack(world: World, host: HostId, fail: Fail): void {
  const incarnation = world.truth.registrations.get(host)?.incarnation;
  const beat = world.truth.beats.get(host);
  if (world.truth.fences.has(`${host}/${incarnation}`) || beat?.incarnation !== incarnation)
    fail(`${host} votes again, and its present life is fenced, or was never heard`);
}
