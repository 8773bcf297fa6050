import type { HostId, Revision, StoreKey, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Point } from "../model/point-records.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { Owner } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Transaction, Write } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { FenceProof } from "./fencing.ts";
import { placeTransaction } from "./ownership.ts";
import { type Copy, copiesOn, hostsWithCopies } from "./replication.ts";
import { usability } from "./replication-usable.ts";
import { put, remove, transaction, unchanged } from "./transactions.ts";

/** What the order to promote a copy in spite of a loss was given for: the records as the person was shown them (S18). */
export type AcceptedLoss = {
  readonly seen: ReadonlyMap<StoreKey, Revision>;
  /** It goes back to this recovery point there; all that was written after it is accepted as lost, whatever the copy has (S20). */
  readonly point?: Stored<Point> | undefined;
};

/**
 * S17, by the manager: `to` becomes the owner with the copies that it has, in one transaction that fails if any record that
 * it rests on has changed: the owner, the fence's proof, and every volume's state. All other copies are marked in it too.
 */
export function promoteTransaction(
  view: ClusterView,
  vm: VmId,
  to: HostId,
  by: Promotion & { readonly proof?: FenceProof | undefined },
  also: readonly Compare[],
): { readonly kind: "commit"; readonly transaction: Transaction } | Refusal {
  const part = promoteCopies(view, vm, to, by);
  if (part.kind === "refused") return part;
  const placed = placeTransaction(view, vm, to, { proof: by.proof }, also);
  return {
    kind: "commit",
    transaction: transaction([...placed.compares, ...part.compares], [...placed.writes, ...part.writes]),
  };
}

export type Promotion = { readonly accepted?: AcceptedLoss | undefined; readonly at: WallMs };
export type CopiesChange = {
  readonly kind: "part";
  readonly compares: readonly Compare[];
  readonly writes: readonly Write[];
};

/**
 * S17: the part of a transaction that makes `to` the place of the VM, which takes the copies there for its disks. It goes
 * into the very transaction that changes the owner record. Refused: the copies there must not be taken.
 */
export function promoteCopies(
  view: ClusterView,
  vm: VmId,
  to: HostId,
  { accepted, at }: Promotion,
): CopiesChange | Refusal {
  const owner = view.owners.get(vm)?.value;
  const use = usability(view, vm, to);
  const point = accepted?.point;
  if (owner === undefined || (use.kind === "unusable" && point === undefined)) {
    const code = use.kind === "unusable" ? use.code : "replica-absent";
    return refuse(code, { vm, host: to });
  }
  const taken = copiesOn(view, vm, to);
  if (use.kind === "lossy" && point === undefined && !isAccepted(taken, accepted))
    return refuse(use.code, { vm, host: to });
  // S24: what it wrote without this store, and what was decided about that, is not known here.
  const isForced = view.cluster?.value.forced?.without.includes(owner.host) === true;
  const left: Left = {
    owner,
    at,
    isBack: point !== undefined,
    mayHaveMore: use.kind === "lossy" || point !== undefined || isForced,
  };
  const compares = taken.map(({ key, record }) => unchanged(key, record));
  if (point !== undefined) compares.push(unchanged(keys.point(vm, point.value.id), point));
  const writes: Write[] = taken.flatMap(({ key, record }) => (record === undefined ? [] : [remove(key)]));
  for (const host of new Set([owner.host, ...hostsWithCopies(view, vm)])) {
    if (host === to) continue;
    for (const copy of copiesOn(view, vm, host)) {
      compares.push(unchanged(copy.key, copy.record));
      writes.push(put(copy.key, leftBehind(vm, host, copy, left)));
    }
  }
  return { kind: "part", compares, writes };
}

/** `mayHaveMore`: acknowledged writes that the copies which are taken lack. `isBack`: somebody wants none of what was written last. */
type Left = { readonly owner: Owner; readonly at: WallMs; readonly mayHaveMore: boolean; readonly isBack: boolean };

/** S18: exactly the records that were shown, or the order is void: what it states would not be what is lost. */
function isAccepted(taken: readonly Copy[], accepted: AcceptedLoss | undefined): boolean {
  if (accepted === undefined) return false;
  return taken.every(({ key, record }) => record !== undefined && accepted.seen.get(key) === record.revision);
}

/** A copy that the VM does not go on from. One of a host that was lost may have what nobody else has: it is kept. */
function leftBehind(
  vm: VmId,
  host: HostId,
  { volume, record }: Copy,
  { owner, at, mayHaveMore, isBack }: Left,
): Replica {
  const receiver = record?.value.receiver ?? null;
  const epoch = record?.value.epoch ?? owner.epoch;
  const base = { schema: 1, vm, volume, host, epoch, receiver } as const;
  const known = record?.value.state;
  // S25: by policy a sealed one would bring back, by itself, what the VM was to go back behind.
  const isOffered = known?.kind === "in-sync" || (isBack && known?.kind === "sealed");
  // S18, S21: where nothing starts from the copies that were to have everything, nobody but the lost host may have it.
  if (isBack && known?.kind === "diverged") return { ...base, state: { ...known, kept: true } };
  if (isBack && known !== undefined && isLeftWhole(known)) {
    return { ...base, state: { kind: "diverged", at: known.at, kept: true } };
  }
  if (known !== undefined && !isOffered) return { ...base, state: known };
  // Of one that was stopped in order the copies have everything, unless this very promotion loses something.
  const wasItsHost = host === owner.host && (owner.kind === "held" || mayHaveMore);
  const state: ReplicaState = wasItsHost
    ? { kind: "diverged", at, kept: mayHaveMore }
    : { kind: "stale", cause: "order", whole: true, at };
  return { ...base, state };
}

/** All that was acknowledged until its VM was taken from it in order: so far the only word on it is the copies' that got it. */
function isLeftWhole(state: ReplicaState): state is Extract<ReplicaState, { kind: "stale" }> {
  return state.kind === "stale" && state.whole && ["order", "handed", "moved"].includes(state.cause);
}

/** The records that a person has to be shown before such an order. */
export function lossToAccept(view: ClusterView, vm: VmId, host: HostId): AcceptedLoss {
  const seen = copiesOn(view, vm, host).flatMap(({ volume, record }): [StoreKey, Revision][] =>
    record === undefined ? [] : [[keys.replica(vm, volume, host), record.revision]],
  );
  return { seen: new Map(seen) };
}
