import { type Epoch, type HostId, nextEpoch, type VmId, type WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import { whyNotLiveTo } from "./cpu.ts";
import { type Copy, copiesOn } from "./replication.ts";
import { copiesState, isWorking, protectionOf } from "./replication-duty.ts";
import { put, remove, unchanged } from "./transactions.ts";

// A live move of a VM to the host of its copies: only its memory is sent, and the copies are its volumes from then on (S15).

type Change = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };

/** Its guest can go on at `to` as it runs: the copies there have every write that this run was answered. */
export function switchesOver(view: ClusterView, vm: Vm, to: HostId): boolean {
  const protection = protectionOf(view, vm.id);
  if (protection?.to !== to || !isWorking(view, protection.group)) return false;
  return isInSync(view, vm.id, to) && whyNotLiveTo(view, vm, to) === undefined;
}

/** It can be moved as it runs, to the one host where it can be at all. */
export function mayBeSwitchedOver(view: ClusterView, vm: Vm): boolean {
  const to = protectionOf(view, vm.id)?.to;
  return to !== undefined && switchesOver(view, vm, to);
}

/** All of its copies at `to` have every write that the run in the owner record was answered (S17). */
export function isInSync(view: ClusterView, vm: VmId, to: HostId): boolean {
  const owner = view.owners.get(vm)?.value;
  return owner?.kind === "held" && copiesState(view, vm, owner, to) === "in-sync";
}

/**
 * Part of the owner transaction of S15: the target's copies are the volumes from its commit on, and the source's images are
 * what has everything up to then. Refused where one of them is not in sync with this very run: by S17 nothing may have been
 * answered without them then, and a record that says otherwise after it was read here makes the transaction fail.
 */
export function handOverReplicas(
  view: ClusterView,
  { vm, from, to, epoch }: VmMove,
  at: WallMs,
): ({ kind: "change" } & Change) | Refusal {
  const taken = copiesOn(view, vm, to);
  const inSync = taken.every(({ record }) => record?.value.state.kind === "in-sync" && record.value.epoch === epoch);
  if (epoch === null || taken.length === 0 || !inSync) return refuse("move-copy-behind", { vm, host: to });
  const handed: ReplicaState = { kind: "stale", cause: "handed", whole: true, at };
  const left = copiesOn(view, vm, from);
  return {
    kind: "change",
    compares: [
      unchanged(keys.vm(vm), view.vms.get(vm)),
      ...[...taken, ...left].map(({ key, record }) => unchanged(key, record)),
    ],
    writes: [
      ...taken.map(({ key }) => remove(key)),
      ...left.map((copy) => put(copy.key, recordOf(vm, from, copy, nextEpoch(epoch), handed))),
    ],
  };
}

/**
 * Whether what the run noted since is all that its copies at `to` lack. Of images that were handed over only their host can say
 * that they are as they were left (S15, S21).
 */
export function mayResync(view: ClusterView, vm: VmId, to: HostId): boolean {
  return copiesOn(view, vm, to).every(({ record }) => {
    const state = record?.value.state;
    return state?.kind !== "stale" || state.cause !== "handed" || record?.value.receiver?.isAsLeft === true;
  });
}

/**
 * Part of the transaction that gives a VM back: the source's images are the volumes again. The target's have what the guest
 * wrote until it was handed over, and nothing of what it writes in its next epoch (S18).
 */
export function giveBackReplicas(view: ClusterView, { vm, from, to, epoch, at }: VmMove): Change {
  if (epoch === null) return { compares: [], writes: [] };
  const kept = copiesOn(view, vm, from);
  const left = copiesOn(view, vm, to);
  const [first] = kept;
  const state = first?.record?.value.state;
  const behind: ReplicaState = {
    ...{ kind: "stale", cause: "restart", whole: true },
    at: state?.kind === "stale" ? state.at : at,
  };
  return {
    compares: [...kept, ...left].map(({ key, record }) => unchanged(key, record)),
    writes: [
      ...kept.flatMap(({ key, record }) => (record === undefined ? [] : [remove(key)])),
      ...left.map((copy) => put(copy.key, recordOf(vm, to, copy, nextEpoch(nextEpoch(epoch)), behind))),
    ],
  };
}

function recordOf(vm: VmId, host: HostId, { volume, record }: Copy, epoch: Epoch, state: ReplicaState): Replica {
  return { schema: 1, vm, volume, host, epoch, state, receiver: record?.value.receiver ?? null };
}
