import type { HostId, Revision, StoreKey, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { Owner } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Transaction, Write } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import type { FenceProof } from "./fencing.ts";
import { placeTransaction } from "./ownership.ts";
import { type Copy, copiesOn, hostsWithCopies } from "./replication.ts";
import { put, remove, transaction, unchanged } from "./transactions.ts";

/**
 * What a start of the VM from the copies of one host would mean. `whole`: no acknowledged write is missing. `lossy`: all
 * after `since` is missing (null: nobody can say), so that only an order that states it may do it. `unusable`: no guest
 * could make sense of it, whoever orders it.
 */
export type Usability =
  | { readonly kind: "whole" }
  | { readonly kind: "lossy"; readonly code: LossCode; readonly since: WallMs | null }
  | { readonly kind: "unusable"; readonly code: "replica-absent" | "replica-incomplete" };
type LossCode = "replica-stale" | "replica-earlier-run" | "replica-diverged" | "replica-unknown";

/** The worst of its volumes counts: a VM starts from all of them. */
export function usability(view: ClusterView, vm: VmId, host: HostId): Usability {
  const owner = view.owners.get(vm)?.value;
  const found = copiesOn(view, vm, host).map((copy) => usabilityOf(copy, owner));
  if (found.length === 0 || owner === undefined) return { kind: "unusable", code: "replica-absent" };
  return found.reduce((worst, one) => (rank(one) > rank(worst) ? one : worst));
}

function usabilityOf({ record }: Copy, owner: Owner | undefined): Usability {
  const state = record?.value.state;
  if (record === undefined || state === undefined) return { kind: "unusable", code: "replica-absent" };
  switch (state.kind) {
    case "copying":
    case "surplus":
      return { kind: "unusable", code: "replica-incomplete" };
    case "in-sync":
      // S14, S18: said of an earlier run, it says nothing about what was written since.
      if (record.value.epoch === owner?.epoch) return { kind: "whole" };
      return { kind: "lossy", code: "replica-earlier-run", since: null };
    case "stale":
      if (!state.whole) return { kind: "unusable", code: "replica-incomplete" };
      return { kind: "lossy", code: "replica-stale", since: state.at };
    case "diverged":
      return { kind: "lossy", code: "replica-diverged", since: null };
    case "unknown":
      return { kind: "lossy", code: "replica-unknown", since: null };
  }
}

function rank(one: Usability): number {
  if (one.kind === "whole") return 0;
  if (one.kind === "unusable") return 3;
  return one.since === null ? 2 : 1;
}

/** What the order to promote a copy in spite of a loss was given for: the records as the person was shown them (S18). */
export type AcceptedLoss = { readonly seen: ReadonlyMap<StoreKey, Revision> };

/**
 * S17, by the manager: `to` becomes the owner with the copies that it has, in one transaction that fails if any record that
 * it rests on has changed: the owner, the fence's proof, and every volume's state. All other copies are marked in it too.
 */
export function promoteTransaction(
  view: ClusterView,
  vm: VmId,
  to: HostId,
  by: { readonly proof?: FenceProof | undefined; readonly accepted?: AcceptedLoss | undefined; readonly at: WallMs },
  also: readonly Compare[],
): { readonly kind: "commit"; readonly transaction: Transaction } | Refusal {
  const owner = view.owners.get(vm)?.value;
  const use = usability(view, vm, to);
  if (owner === undefined || use.kind === "unusable") {
    const code = use.kind === "unusable" ? use.code : "replica-absent";
    return refuse(code, { vm, host: to });
  }
  const taken = copiesOn(view, vm, to);
  if (use.kind === "lossy" && !isAccepted(taken, by.accepted)) return refuse(use.code, { vm, host: to });
  const placed = placeTransaction(view, vm, to, { proof: by.proof }, also);
  const compares = taken.map(({ key, record }) => unchanged(key, record));
  const writes: Write[] = taken.map(({ key }) => remove(key));
  for (const host of new Set([owner.host, ...hostsWithCopies(view, vm)])) {
    if (host === to) continue;
    for (const copy of copiesOn(view, vm, host)) {
      compares.push(unchanged(copy.key, copy.record));
      writes.push(put(copy.key, leftBehind(vm, host, copy, owner, by.at)));
    }
  }
  return {
    kind: "commit",
    transaction: transaction([...placed.compares, ...compares], [...placed.writes, ...writes]),
  };
}

/** S18: exactly the records that were shown, or the order is void: what it states would not be what is lost. */
function isAccepted(taken: readonly Copy[], accepted: AcceptedLoss | undefined): boolean {
  if (accepted === undefined) return false;
  return taken.every(({ key, record }) => record !== undefined && accepted.seen.get(key) === record.revision);
}

/** A copy that the VM does not go on from. One of a host that was lost may have what nobody else has: it is kept. */
function leftBehind(vm: VmId, host: HostId, { volume, record }: Copy, owner: Owner, at: WallMs): Replica {
  const receiver = record?.value.receiver ?? null;
  const epoch = record?.value.epoch ?? owner.epoch;
  const base = { schema: 1, vm, volume, host, epoch, receiver } as const;
  const known = record?.value.state;
  if (known !== undefined && known.kind !== "in-sync") return { ...base, state: known };
  const wasItsHost = host === owner.host && owner.kind === "held";
  const state: ReplicaState = wasItsHost
    ? { kind: "diverged", at }
    : { kind: "stale", cause: "order", whole: true, at };
  return { ...base, state };
}

/** Hosts from whose copies nothing would be lost, in the order of their ids: the only ones for a failover by itself. */
export function wholeCopies(view: ClusterView, vm: VmId): readonly HostId[] {
  return hostsWithCopies(view, vm).filter((host) => usability(view, vm, host).kind === "whole");
}

/** The records that a person has to be shown before such an order. */
export function lossToAccept(view: ClusterView, vm: VmId, host: HostId): AcceptedLoss {
  const seen = copiesOn(view, vm, host).flatMap(({ volume, record }): [StoreKey, Revision][] =>
    record === undefined ? [] : [[keys.replica(vm, volume, host), record.revision]],
  );
  return { seen: new Map(seen) };
}
