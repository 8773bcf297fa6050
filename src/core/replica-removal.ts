import type { HostId, VmId } from "../model/ids.ts";
import type { Replica } from "../model/replication-records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { type Copy, copiesOn, hostsWithCopies } from "./replication.ts";
import { protectionOf } from "./replication-duty.ts";
import { put, unchanged } from "./transactions.ts";

// Replicas that go with their group: said in their own records when the group is deleted, done by the agent of their host, whenever
// that is there.

type Recorded = Copy & { readonly record: Stored<Replica> };

/** Every copy that is recorded of these VMs, wherever it is. */
export function copiesOf(view: ClusterView, vms: readonly VmId[]): readonly Recorded[] {
  return vms.flatMap((vm) =>
    hostsWithCopies(view, vm).flatMap((host) =>
      copiesOn(view, vm, host).flatMap((copy) => (copy.record === undefined ? [] : [{ ...copy, record: copy.record }])),
    ),
  );
}

/** `remove` false: they stay where they are, whatever was said of them before. */
export function markCopies(
  view: ClusterView,
  vms: readonly VmId[],
  remove: boolean,
): { readonly compares: readonly Compare[]; readonly writes: readonly Write[] } {
  const all = copiesOf(view, vms).filter(({ record }) => record.value.toRemove !== (remove ? true : undefined));
  return {
    compares: all.map(({ key, record }) => unchanged(key, record)),
    writes: all.map(({ key, record: { value } }) => {
      const { toRemove: _, ...rest } = value;
      const next: Replica = remove ? { ...rest, toRemove: true } : rest;
      return put(key, next);
    }),
  };
}

/**
 * S17: nobody counts on the copies at `host` any more: no group protects the VM with them, and no run of it is promised that they have
 * what it wrote: one that runs says so first. That the host of its own disks is there is for whoever removes them to see.
 */
export function mayBeRemoved(view: ClusterView, vm: VmId, host: HostId): boolean {
  const owner = view.owners.get(vm)?.value;
  if (owner === undefined || owner.host === host || protectionOf(view, vm) !== undefined) return false;
  const known = recordedOn(view, vm, host);
  if (known.length === 0 || !known.every(({ toRemove }) => toRemove === true)) return false;
  return owner.kind === "released" || !known.some((record) => isCountedOn(view, record));
}

/** It is said to have all that its run writes, and no later run has begun: one that has does not count on it (S17). */
export function isCountedOn(view: ClusterView, { vm, epoch, state }: Replica): boolean {
  const owner = view.owners.get(vm)?.value;
  return state.kind === "in-sync" && !(owner?.kind === "held" && owner.epoch > epoch);
}

/** The copies at `host` are to go because their group was deleted with its replicas, and that has not begun. */
export function areToGo(view: ClusterView, vm: VmId, host: HostId): boolean {
  const known = recordedOn(view, vm, host);
  return known.length > 0 && !known.some(({ toRemove }) => toRemove !== true);
}

function recordedOn(view: ClusterView, vm: VmId, host: HostId): readonly Replica[] {
  return copiesOn(view, vm, host).flatMap(({ record }) => (record === undefined ? [] : [record.value]));
}

/** Its images at `host` are about to be removed: nothing is received there before they are gone. */
export function isBeingRemoved(view: ClusterView, vm: VmId, host: HostId): boolean {
  return [...view.replicas.values()].some(({ value }) => {
    return value.vm === vm && value.host === host && value.pool !== undefined && value.state.kind === "surplus";
  });
}
