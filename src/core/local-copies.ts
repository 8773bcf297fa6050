import { assert } from "../base/assert.ts";
import { compareText } from "../base/order.ts";
import {
  type Epoch,
  type HostId,
  nextEpoch,
  type StoreKey,
  type VmId,
  type VolumeId,
  type WallMs,
} from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { HostRegistration, Pool } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Transaction, Write } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { put, remove, stillIn, transaction, unchanged } from "./transactions.ts";
import { liesOn, localDisks } from "./volume-place.ts";

// Images in local pools that are not the ones their VM lies on: each has its record before it is made, and until it is gone
// (docs/designs/0005-live-moves.md). All volumes of a VM at once: it starts from all of them.

type Change = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };
type Commit = { readonly kind: "commit"; readonly transaction: Transaction };
const nothing: Change = { compares: [], writes: [] };

type LocalCopy = {
  readonly key: StoreKey;
  readonly volume: VolumeId;
  readonly pool: Pool["id"];
  readonly record: Stored<Replica> | undefined;
};

/** Of each local volume what is recorded of an image on `host`. */
function localCopies(view: ClusterView, vm: VmId, host: HostId): readonly LocalCopy[] {
  const known = view.vms.get(vm)?.value;
  return (known === undefined ? [] : localDisks(view, known)).map(({ volume, pool }) => {
    const key = keys.replica(vm, volume, host);
    return { key, volume, pool, record: view.replicas.get(key) };
  });
}

/** True: images of it are there, or may be; nothing is copied to `host` before they are gone. */
export function hasOldImages(view: ClusterView, vm: VmId, host: HostId): boolean {
  return localCopies(view, vm, host).some(({ record }) => record !== undefined);
}

/** S15: by the agent of the target, before it makes the images; the move is still asked of it. */
export function arrivingTransaction(
  view: ClusterView,
  move: Stored<VmMove>,
  registration: Stored<HostRegistration>,
): Commit | Refusal {
  const { vm, to, epoch } = move.value;
  const all = localCopies(view, vm, to);
  if (epoch === null || move.value.live?.kind !== "asked" || move.value.answer.kind !== "open")
    return refuse("move-overtaken", { vm });
  if (all.some(({ record }) => record !== undefined)) return refuse("move-old-disks-there", { vm, host: to });
  const compares = [
    unchanged(keys.vmMove(vm), move),
    unchanged(keys.vm(vm), view.vms.get(vm)),
    ...stillIn(to, registration),
  ];
  const writes = all.map((copy) => put(copy.key, recordOf(vm, to, copy, epoch, { kind: "copying" })));
  return {
    kind: "commit",
    transaction: transaction([...compares, ...all.map(({ key }) => unchanged(key, undefined))], writes),
  };
}

/** The images of this very move are on record, so that they may be made. */
export function isArriving(view: ClusterView, { vm, to, epoch }: VmMove): boolean {
  return localCopies(view, vm, to).every(({ record }) => isCopyingOf(record, epoch));
}

function isCopyingOf(record: Stored<Replica> | undefined, epoch: Epoch | null): boolean {
  return record?.value.state.kind === "copying" && record.value.epoch === epoch;
}

/**
 * Part of the owner transaction of S15: the target's images are the volumes from its commit on, and the source's are stale.
 * Refused where the target's are not those of this move.
 */
export function handOverCopies(view: ClusterView, move: VmMove, at: WallMs): ({ kind: "change" } & Change) | Refusal {
  const { vm, from, to, epoch } = move;
  const arrived = localCopies(view, vm, to);
  if (arrived.length === 0) return { kind: "change", ...nothing };
  if (epoch === null || !isArriving(view, move)) return refuse("move-overtaken", { vm });
  const left = localCopies(view, vm, from);
  const state: ReplicaState = { kind: "stale", cause: "moved", whole: true, at };
  return {
    kind: "change",
    compares: [...arrived, ...left].map(({ key, record }) => unchanged(key, record)),
    writes: [
      ...arrived.map(({ key }) => remove(key)),
      ...left.map((copy) => put(copy.key, recordOf(vm, from, copy, epoch, state))),
    ],
  };
}

/** Part of the transaction that gives a VM back: the source's images are the volumes again, nobody needs the target's. */
export function giveBackCopies(view: ClusterView, move: VmMove): Change {
  const { vm, from, to, epoch } = move;
  const kept = localCopies(view, vm, from);
  if (kept.length === 0 || epoch === null) return nothing;
  const left = localCopies(view, vm, to);
  return {
    compares: [...kept, ...left].map(({ key, record }) => unchanged(key, record)),
    writes: [
      ...kept.flatMap(({ key, record }) => (record === undefined ? [] : [remove(key)])),
      ...left.map((copy) =>
        put(copy.key, recordOf(vm, to, copy, epoch, { kind: "surplus", at: move.at, arrived: true })),
      ),
    ],
  };
}

/** Where a VM's disks are kept that it moved away from, with nobody having looked yet whether it lives; in order of keys. */
export function keptCopies(view: ClusterView, vm: VmId): readonly (readonly [StoreKey, Stored<Replica>])[] {
  const kept = [...view.replicas].filter(
    ([, { value }]) => value.vm === vm && value.state.kind === "stale" && value.state.cause === "moved",
  );
  return kept.sort(([a], [b]) => compareText(a, b));
}

/** Part of a transaction of the owner's agent once its guest was seen to live: what it moved away from is not needed. */
export function confirmCopies(view: ClusterView, vm: VmId, at: WallMs): Change {
  const kept = keptCopies(view, vm);
  return {
    compares: kept.map(([key, record]) => unchanged(key, record)),
    writes: kept.map(([key, { value }]) => put(key, { ...value, state: { kind: "surplus", at } })),
  };
}

/** What is to be done with the VM's images when it is deleted: those beside it, and the ones that it lies on. */
export function deleteCopies(view: ClusterView, vm: VmId, at: WallMs): Change {
  const owner = view.owners.get(vm)?.value;
  const others = [...view.replicas].filter(([, { value }]) => value.vm === vm && value.pool !== undefined);
  const own = owner === undefined ? [] : localCopies(view, vm, owner.host).filter(({ record }) => record === undefined);
  const surplus: ReplicaState = { kind: "surplus", at };
  const arrived: ReplicaState = { ...surplus, arrived: true };
  return {
    compares: [
      ...others.map(([key, record]) => unchanged(key, record)),
      ...own.map(({ key, record }) => unchanged(key, record)),
    ],
    writes: [
      ...others.map(([key, { value }]) => put(key, { ...value, state: hasArrived(value) ? arrived : surplus })),
      ...own.map((copy) =>
        put(copy.key, recordOf(vm, owner?.host ?? ("" as HostId), copy, owner?.epoch ?? (0 as Epoch), surplus)),
      ),
    ],
  };
}

/**
 * What replication has of the VM at `host` is needed by nobody any more: its agent closes it, removes the images with all that
 * was laid upon them, and then these records. Refused where the VM lies there, or a group copies to there.
 */
export function giveUpCopies(
  view: ClusterView,
  vm: VmId,
  host: HostId,
  at: WallMs,
): ({ kind: "change" } & Change) | Refusal {
  const known = view.vms.get(vm)?.value;
  const all =
    known === undefined ? [] : localCopies(view, vm, host).filter(({ record }) => record?.value.pool === undefined);
  const there = all.filter(({ record }) => record !== undefined);
  if (view.owners.get(vm)?.value.host === host || there.length === 0) return refuse("replica-absent", { vm, host });
  return {
    kind: "change",
    compares: [
      unchanged(keys.owner(vm), view.owners.get(vm)),
      // No group has come to count on them again.
      unchanged(keys.lastGroupEdit, view.lastGroupEdit),
      ...there.map(({ key, record }) => unchanged(key, record)),
    ],
    writes: there.flatMap(({ key, record, pool }) =>
      record === undefined
        ? []
        : [put(key, { ...unmarked(record.value), pool, state: { kind: "surplus", at } satisfies ReplicaState })],
    ),
  };
}

function unmarked({ toRemove: _, ...record }: Replica): Replica {
  return { ...record, receiver: null };
}

export type OldImage = { readonly key: StoreKey; readonly record: Stored<Replica>; readonly pool: Pool };

/**
 * Images of this host that nobody needs, in order of their keys. `orphan`: it came for a move that comes here no more, as far
 * as this view goes; that has to be on record before it is removed, because its hand-over may be committed already. Never one
 * on which its VM lies. `awaits`: a run that came for a move is still here, or is about to come.
 */
export function oldImages(
  view: ClusterView,
  self: HostId,
  awaits: (vm: VmId) => boolean,
): readonly (OldImage & { readonly kind: "orphan" | "surplus" })[] {
  return [...view.replicas]
    .sort(([a], [b]) => compareText(a, b))
    .flatMap(([key, record]) => {
      const { vm: id, host, pool: of, state, volume } = record.value;
      const pool = of === undefined ? undefined : view.pools.get(of)?.value;
      if (pool === undefined || host !== self || awaits(id)) return [];
      if (state.kind !== "surplus" && state.kind !== "copying") return [];
      const vm = view.vms.get(id)?.value;
      assert(vm === undefined || liesOn(view, vm) !== self, () => `Cannot remove ${volume}: ${id} lies on it`);
      return [{ kind: state.kind === "copying" ? ("orphan" as const) : state.kind, key, record, pool }];
    });
}

/** S15: from its commit on no hand-over can make the image the volume; only then it may be removed. */
export function giveUpImage({ key, record }: OldImage, here: Stored<HostRegistration>, at: WallMs): Transaction {
  const next: Replica = { ...record.value, state: { kind: "surplus", at, arrived: true } };
  return transaction([unchanged(key, record), ...stillIn(record.value.host, here)], [put(key, next)]);
}

/** It was made for a move that was not handed over: the epoch is that of its source's run. */
function hasArrived({ state }: Replica): boolean {
  return state.kind === "copying" || (state.kind === "surplus" && state.arrived === true);
}

/** The run for which the image was made, where it is removed only if it was (S15). Null: whatever lies there is what is meant. */
export function arrivedFor({ record }: OldImage): Epoch | null {
  return hasArrived(record.value) ? nextEpoch(record.value.epoch) : null;
}

/** By the agent of its host after the image was removed, or found to be another one. */
export function imageGone({ key, record }: OldImage, registration: Stored<HostRegistration>): Transaction {
  return transaction([unchanged(key, record), ...stillIn(record.value.host, registration)], [remove(key)]);
}

function recordOf(vm: VmId, host: HostId, { volume, pool }: LocalCopy, epoch: Epoch, state: ReplicaState): Replica {
  return { schema: 1, vm, volume, host, epoch, state, pool, receiver: null };
}
