import { type HostId, type Incarnation, nextEpoch, type VmId, type WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { HeldOwner, HostRegistration, Vm } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import { giveBackCopies, handOverCopies } from "./local-copies.ts";
import { giveBackReplicas, handOverReplicas } from "./switchover.ts";
import { put, remove, stillIn, transaction, unchanged } from "./transactions.ts";

/** Undefined means: the view shows that it may not be; look again, nothing was done. */
type Commit = { readonly kind: "commit"; readonly transaction: Transaction };
export type Me = { readonly host: HostId; readonly incarnation: Incarnation };

/**
 * S15, by the agent of the source, once the guest stands still and the target has all of its memory: the one moment at
 * which the VM changes hands. From its commit on the source's copy never goes on. Repeating it is harmless: it compares
 * the owner record that it replaces. Volumes in local pools change their place with it, and the source's images are stale; in
 * a switchover the copies at the target, which have to be in sync with this very run, are the volumes from then on.
 */
export function switchoverTransaction(view: ClusterView, vm: VmId, source: Me, at: WallMs): Commit | Refusal {
  const move = view.moves.get(vm);
  const owner = ownerOf(view, vm);
  const live = move?.value.live;
  if (move === undefined || owner === undefined || live?.kind !== "waiting" || move.value.answer.kind !== "open")
    return refuse("move-overtaken", { vm });
  const record = view.vms.get(vm);
  if (record === undefined) return refuse("move-overtaken", { vm });
  const withheld = whyWithheld(record.value);
  if (withheld !== undefined) return withheld;
  const { from, incarnation, epoch, to } = move.value;
  const isMine = from === source.host && incarnation === source.incarnation && owner.value.epoch === epoch;
  if (!isMine || !isHeldBy(owner.value, source)) return refuse("move-overtaken", { vm });
  const here = registered(view, source);
  const there = registered(view, { host: to, incarnation: live.incarnation });
  if (here === undefined) return refuse("move-host-lost", { vm, host: source.host });
  if (there === undefined) return refuse("move-host-lost", { vm, host: to });
  const onCopies = live.onCopies === true ? ({ onCopies: true } as const) : {};
  const hands = live.onCopies === true ? handOverReplicas : handOverCopies;
  const copies = hands(view, move.value, at);
  if (copies.kind === "refused") return copies;
  const next: HeldOwner = {
    ...owner.value,
    host: to,
    incarnation: live.incarnation,
    epoch: nextEpoch(owner.value.epoch),
  };
  const switched: VmMove = { ...move.value, live: { kind: "switched", incarnation: live.incarnation, ...onCopies } };
  return {
    kind: "commit",
    transaction: transaction(
      [
        unchanged(keys.owner(vm), owner),
        unchanged(keys.vmMove(vm), move),
        // Whoever locks it or stops it meanwhile finds it where it was (HM2).
        unchanged(keys.vm(vm), record),
        ...stillIn(source.host, here),
        ...stillIn(to, there),
        ...copies.compares,
      ],
      [put(keys.owner(vm), next), put(keys.vmMove(vm), switched), ...copies.writes],
    ),
  };
}

/** HM2: why the VM is not moved on as it is now, however far its move has come before it changes hands. */
export function whyWithheld({ name, lock }: Vm): Refusal | undefined {
  return lock === null ? undefined : refuse("move-vm-locked", { vm: name, lock: lock.kind });
}

/**
 * S15, by the agent of the target, after `abandonIncoming` was done: its copy is destroyed and never ran, so the source may
 * go on with its own, in an epoch of its own. Not to a source that is fenced: then the target waits for its proof.
 */
export function giveBackTransaction(view: ClusterView, vm: VmId, target: Me, failed: Refusal): Commit | Refusal {
  const move = switchedMove(view, vm);
  const owner = ownerOf(view, vm);
  if (move === undefined || owner === undefined || move.value.to !== target.host || !isHeldBy(owner.value, target))
    return refuse("move-overtaken", { vm });
  // A start of its own there has an epoch beyond the move's: that one may have executed.
  if (move.value.epoch === null || owner.value.epoch !== nextEpoch(move.value.epoch))
    return refuse("move-overtaken", { vm });
  const { from, incarnation } = move.value;
  const here = registered(view, target);
  const there = registered(view, { host: from, incarnation });
  if (here === undefined) return refuse("move-host-lost", { vm, host: target.host });
  if (there === undefined) return refuse("move-host-lost", { vm, host: from });
  const next: HeldOwner = { ...owner.value, host: from, incarnation, epoch: nextEpoch(owner.value.epoch) };
  const { live, ...rest } = move.value;
  const copies = (live?.onCopies === true ? giveBackReplicas : giveBackCopies)(view, move.value);
  const { code, params } = failed;
  const ended: VmMove = { ...rest, answer: { kind: "failed", code, params: { ...params } } };
  return {
    kind: "commit",
    transaction: transaction(
      [
        unchanged(keys.owner(vm), owner),
        unchanged(keys.vmMove(vm), move),
        ...stillIn(target.host, here),
        ...stillIn(from, there),
        ...copies.compares,
      ],
      [put(keys.owner(vm), next), put(keys.vmMove(vm), ended), ...copies.writes],
    ),
  };
}

/** By the agent of the source after `kill` of its copy was done: the source has quit, and the VM may start where it is owned. */
export function leftTransaction(view: ClusterView, vm: VmId, source: HostId): Commit | Refusal {
  const move = switchedMove(view, vm);
  if (move === undefined || move.value.from !== source) return refuse("move-overtaken", { vm });
  const write = transaction([unchanged(keys.vmMove(vm), move)], [remove(keys.vmMove(vm))]);
  return { kind: "commit", transaction: write };
}

/** True: two copies of it may be there, so that nothing starts it, whoever is its owner (S15). */
export function isBetweenHosts(view: ClusterView, vm: VmId): boolean {
  return switchedMove(view, vm) !== undefined;
}

/** Of VMs that were handed over: where they came from, as long as that has not quit. In no order. */
export function sourcesNotQuit(view: ClusterView): Map<VmId, Me> {
  const found = new Map<VmId, Me>();
  for (const [vm, { value }] of view.moves) {
    if (value.live?.kind === "switched") found.set(vm, { host: value.from, incarnation: value.incarnation });
  }
  return found;
}

/**
 * S15: the guest goes on at the target of this move, which was handed over; the target said so, or it owns the VM under that
 * name no more. Before that the source's copy may still be all that there is of the guest.
 */
export function hasGoneOn(view: ClusterView, move: VmMove): boolean {
  const { vm, to, epoch, live } = move;
  if (live?.kind !== "switched" || epoch === null) return false;
  const owner = view.owners.get(vm)?.value;
  const isTheirs = owner?.kind === "held" && owner.host === to && owner.epoch === nextEpoch(epoch);
  return !isTheirs || owner.incarnation !== live.incarnation || isSaidToRun(view, move);
}

/** By the target of this move, of the very run that it was to let go on. */
export function isSaidToRun(view: ClusterView, { vm, to, epoch, live }: VmMove): boolean {
  const status = view.statuses.get(vm)?.value;
  if (status === undefined || live?.kind !== "switched" || epoch === null) return false;
  const isIts = status.host === to && status.incarnation === live.incarnation && status.epoch === nextEpoch(epoch);
  return isIts && (status.phase === "running" || status.phase === "paused");
}

function switchedMove(view: ClusterView, vm: VmId): Stored<VmMove> | undefined {
  const move = view.moves.get(vm);
  return move?.value.live?.kind === "switched" ? move : undefined;
}

function ownerOf(view: ClusterView, vm: VmId): Stored<HeldOwner> | undefined {
  const owner = view.owners.get(vm);
  return owner?.value.kind === "held" ? (owner as Stored<HeldOwner>) : undefined;
}

function isHeldBy(owner: HeldOwner, { host, incarnation }: Me): boolean {
  return owner.host === host && owner.incarnation === incarnation;
}

/** Its registration, where it still is this incarnation and not fenced; the transaction compares both. */
function registered(view: ClusterView, { host, incarnation }: Me): Stored<HostRegistration> | undefined {
  const registration = view.hosts.get(host);
  if (registration?.value.incarnation !== incarnation) return undefined;
  return fenceOf(view, host, incarnation) === undefined ? registration : undefined;
}
