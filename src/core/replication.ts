import { compareText } from "../base/order.ts";
import type { Epoch, HostId, Incarnation, StoreKey, VmId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { HeldOwner, HostRegistration } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import { derived } from "./derived.ts";
import { put, stillIn, transaction, unchanged } from "./transactions.ts";
import { vmsByHost } from "./vms-by-host.ts";

// What is recorded of the copies of a VM's volumes, by the agent of the host that runs it. Each transaction is about all of
// its volumes at once: where one goes stale, all do (S17).

export type Run = { readonly host: HostId; readonly incarnation: Incarnation; readonly epoch: Epoch };
type Commit = { readonly kind: "commit"; readonly transaction: Transaction };
export type Copy = { readonly key: StoreKey; readonly record: Stored<Replica> | undefined; readonly volume: VolumeId };

/** Every volume of the VM with what is recorded of its copy on `host`, in the spec's order. */
export function copiesOn(view: ClusterView, vm: VmId, host: HostId): readonly Copy[] {
  const disks = view.vms.get(vm)?.value.spec.disks ?? [];
  return disks.map(({ volume }) => {
    const key = keys.replica(vm, volume, host);
    const record = view.replicas.get(key);
    // What a live move left there, or is making, is no copy of replication's: nothing is written before it is gone.
    return { key, volume, record: record?.value.pool === undefined ? record : undefined };
  });
}

const copied = derived(["replica"], (view): ReadonlySet<VmId> => {
  return new Set([...view.replicas.values()].map(({ value }) => value.vm));
});

const copiedTo = derived(["replica"], ({ replicas }) => vmsByHost(replicas));

/** The VMs of which any disk is recorded as lying at the host beside their own, in the order of their ids. */
export function vmsWithCopiesOn(view: ClusterView, host: HostId): readonly VmId[] {
  return copiedTo(view).get(host) ?? [];
}

/** Hosts of which anything is recorded as having a copy, in the order of their ids. */
export function hostsWithCopies(view: ClusterView, vm: VmId): readonly HostId[] {
  if (!copied(view).has(vm)) return [];
  return [...view.members.keys()]
    .filter((host) => copiesOn(view, vm, host).some(({ record }) => record !== undefined))
    .sort(compareText);
}

/**
 * Before a copy is begun, and before one is brought up to date (`resync`): from here until in sync it is of no use to
 * anybody, because it holds some of the old and some of the new.
 */
export function copyingTransaction(view: ClusterView, vm: VmId, run: Run, to: HostId): Commit | Refusal {
  return recordCopies(view, vm, run, to, () => ({ kind: "copying" }));
}

/**
 * S16, S17: must be committed before a write of this run is answered without the copy on `to`. It changes every record, so
 * that whatever was under way, a promotion or an own "in sync" of unknown outcome, fails from here on.
 */
export function staleTransaction(
  view: ClusterView,
  vm: VmId,
  run: Run,
  to: HostId,
  cause: Extract<ReplicaState, { kind: "stale" }>["cause"],
  at: WallMs,
): Commit | Refusal {
  const all = copiesOn(view, vm, to);
  const whole = all.every(({ record }) => record !== undefined && isWhole(record.value, run.epoch));
  // One that is stale already stays so since when it became it.
  return recordCopies(view, vm, run, to, ({ record }) => {
    const known = record?.value.state;
    // What it was handed over with stays known until it is copied to again (S15).
    const isHanded = known?.kind === "stale" && known.cause === "handed";
    return {
      kind: "stale",
      cause: isHanded ? "handed" : cause,
      whole,
      at: whole && known?.kind === "stale" ? known.at : at,
    };
  });
}

/** It has, or had when it went stale, everything that the run was answered. */
function isWhole({ epoch, state }: Replica, of: Epoch): boolean {
  return epoch === of && (state.kind === "in-sync" || (state.kind === "stale" && state.whole));
}

/**
 * S17: only after the driver's `confirm`, and with no `goOnAlone` after it. Refused where a record says anything but
 * "copying" for this very run: what came in between has to be copied as well.
 */
export function inSyncTransaction(view: ClusterView, vm: VmId, run: Run, to: HostId, byHost = false): Commit | Refusal {
  const all = copiesOn(view, vm, to);
  const copied = all.every(({ record }) => record?.value.state.kind === "copying" && record.value.epoch === run.epoch);
  if (!copied) return refuse("replica-overtaken", { vm });
  return recordCopies(view, vm, run, to, () => (byHost ? { kind: "in-sync", byHost } : { kind: "in-sync" }));
}

/**
 * S23: of this run, whether its host may let it go on without the copy by its own note. The view may be old: nobody takes such a
 * copy but by a person's order, until that host says with a commit what it is worth.
 */
export function mayGoByHost(view: ClusterView, vm: VmId, run: Run, to: HostId): boolean {
  if (ownedBy(view, vm, run) === undefined) return false;
  const all = copiesOn(view, vm, to);
  return all.length > 0 && all.every(({ record }) => isByHost(record?.value, run.epoch));
}

function isByHost(record: Replica | undefined, epoch: Epoch): boolean {
  return record?.epoch === epoch && record.state.kind === "in-sync" && record.state.byHost === true;
}

/** The part of a run's end by its own host that says what its copies are worth. `since`: from when on it went without them. */
export function saidByHost(view: ClusterView, vm: VmId, epoch: Epoch, since: WallMs | undefined) {
  const copies = hostsWithCopies(view, vm).flatMap((host) => copiesOn(view, vm, host));
  const unsaid = copies.flatMap(({ key, record }) =>
    record !== undefined && isByHost(record.value, epoch) ? [{ key, record }] : [],
  );
  const state: ReplicaState =
    since === undefined ? { kind: "in-sync" } : { kind: "stale", cause: "silent", whole: true, at: since };
  return {
    compares: unsaid.map(({ key, record }) => unchanged(key, record)),
    writes: unsaid.map(({ key, record }) => put(key, { ...record.value, state })),
  };
}

/**
 * S16: whether this run's writes may be answered without the copy on `to`. "copying" does not suffice: an own "in sync"
 * may be on its way to the store. The view has to be one that was read after the commit.
 */
export function mayGoOnAlone(view: ClusterView, vm: VmId, run: Run, to: HostId): boolean {
  if (ownedBy(view, vm, run) === undefined) return false;
  const all = copiesOn(view, vm, to);
  return all.every(({ record }) => record?.value.state.kind === "stale" && record.value.epoch === run.epoch);
}

/** Of all volumes at once, by the host that runs the VM (S17). */
export function recordCopies(
  view: ClusterView,
  vm: VmId,
  run: Run,
  to: HostId,
  state: (copy: Copy) => ReplicaState,
): Commit | Refusal {
  const owner = ownedBy(view, vm, run);
  if (owner === undefined) return refuse("replica-overtaken", { vm });
  const registration = registered(view, run);
  if (registration === undefined) return refuse("replica-host-lost", { vm, host: run.host });
  const all = copiesOn(view, vm, to);
  if (all.length === 0) return refuse("replica-no-volumes", { vm });
  const compares: Compare[] = [
    unchanged(keys.owner(vm), owner),
    // The volumes are those of this spec: one that was added since has no copy yet.
    unchanged(keys.vm(vm), view.vms.get(vm)),
    ...stillIn(run.host, registration),
    ...all.map(({ key, record }) => unchanged(key, record)),
  ];
  const writes = all.map((copy) => {
    const { key, volume, record } = copy;
    const receiver = record?.value.receiver ?? null;
    const said = state(copy);
    const goes = record?.value.toRemove === true && said.kind !== "copying" ? { toRemove: true as const } : {};
    const next: Replica = { schema: 1, vm, volume, host: to, epoch: run.epoch, state: said, ...goes, receiver };
    return put(key, next);
  });
  return { kind: "commit", transaction: transaction(compares, writes) };
}

function ownedBy(view: ClusterView, vm: VmId, run: Run): Stored<HeldOwner> | undefined {
  const owner = view.owners.get(vm);
  if (owner?.value.kind !== "held") return undefined;
  const { host, incarnation, epoch } = owner.value;
  const isMine = host === run.host && incarnation === run.incarnation && epoch === run.epoch;
  return isMine ? (owner as Stored<HeldOwner>) : undefined;
}

function registered(view: ClusterView, { host, incarnation }: Run): Stored<HostRegistration> | undefined {
  const registration = view.hosts.get(host);
  if (registration?.value.incarnation !== incarnation) return undefined;
  return fenceOf(view, host, incarnation) === undefined ? registration : undefined;
}
