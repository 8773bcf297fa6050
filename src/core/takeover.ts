import { compareText } from "../base/order.ts";
import type { Epoch, HostId, Incarnation, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Reason, type Refusal, refuse } from "../model/reason.ts";
import type { Cluster, FenceRecord, HeldOwner, Owner, ProofKind, Vm } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Compare, Transaction, Write } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../model/view.ts";
import { joinedStoreTransaction, joinsStore } from "./removal.ts";
import { copiesOn } from "./replication.ts";
import { keepsBranch } from "./replication-duty.ts";
import { isTakenUnsaid, usability } from "./replication-usable.ts";
import { put, transaction, unchanged } from "./transactions.ts";
import { liesOn } from "./volume-place.ts";

// S23, S24: a host goes on without members that are off, from its own data. Those may lack the last decisions: what others did
// with numbers that only they knew of must never be mistaken for what is done with them here.

/** The lost host may have started a VM anew so often before it was lost, without a trace in the survivor's data. */
const epochGap = 100;

/** `word`: an operator said so; `power-off`: its device confirmed it. */
export type OffProof = Extract<ProofKind, "power-off" | "word">;
export type Takeover = {
  readonly self: HostId;
  readonly lost: ReadonlyMap<HostId, OffProof>;
  readonly at: WallMs;
  /** The lives of which that was proven; not there: those that are registered. One that came since is nobody's to end (S1, S9). */
  readonly lives?: ReadonlyMap<HostId, Incarnation>;
  /** Nobody has ordered it: what only its lost host could vouch for is not taken (S23). */
  readonly byItself?: boolean;
};

export type Claim = "peer-is-off" | "others-are-off";

/** Whom the claim is about: all other members, in the order of their ids. Refused: it does not fit this cluster. */
export function othersOf(view: ClusterView, self: HostId, claim: Claim): readonly HostId[] | Refusal {
  const others = [...view.members.keys()].filter((host) => host !== self).sort(compareText);
  if (claim === "peer-is-off" && others.length !== 1) return refuse("takeover-not-two", { members: others.length + 1 });
  if (others.length === 0) return refuse("takeover-alone", { host: self });
  return others;
}

/** What an operator types where no device confirms: names whoever is off, so that it is never typed for another. */
export function wordFor(names: readonly string[]): string {
  return `${names.join("-and-")}-off`;
}

/**
 * A VM of a lost host, and what becomes of it; `why`: what is in its way, null: it starts. `loss`: what it may then lack, for
 * somebody to accept; null: nothing that was acknowledged.
 */
export type TakenVm = {
  readonly vm: VmId;
  readonly name: string;
  readonly from: HostId;
  readonly why: Reason | null;
  readonly loss: Reason | null;
};

/**
 * S21, S24: of more than two members a majority needs nobody in particular. So the others may have decided anything without this
 * one: that a copy here lacks something, or that one of this host's own VMs goes on from a copy of theirs.
 */
function mayLackDecisions({ members }: ClusterView): boolean {
  return members.size > 2;
}

/** By the records as they are here, each wanted VM of a lost host in the order of names. */
export function foreseeTakeover(view: ClusterView, self: HostId, lost: readonly HostId[]): readonly TakenVm[] {
  return lostVms(view, lost)
    .map(({ vm, owner }) => {
      const why = whyNot(view, vm, self);
      const loss = why === null ? mayLack(view, vm, self) : null;
      return { vm: vm.id, name: vm.name, from: owner.value.host, why, loss };
    })
    .sort((a, b) => compareText(a.name, b.name));
}

function whyNot(view: ClusterView, vm: Vm, self: HostId): Reason | null {
  const reason = (code: string): Reason => ({ rule: "S21", code, params: { vm: vm.name, host: self } });
  if (vm.requested !== "started") return reason("takeover-vm-not-wanted");
  if (liesOn(view, vm) === undefined) return null;
  const use = usability(view, vm.id, self);
  if (isInSync(view, vm.id, self)) return mayLackDecisions(view) ? reason("replica-unknown") : null;
  return use.kind === "whole" ? null : reason(use.code);
}

/** S23: only the lost host could say whether its guest went on without this copy, and it cannot be asked. */
function mayLack(view: ClusterView, vm: Vm, self: HostId): Reason | null {
  const isUnsaid = (copy: Replica): boolean => isByHost(copy) || isTakenUnsaid(copy);
  if (!copiesOn(view, vm.id, self).some(({ record }) => record !== undefined && isUnsaid(record.value))) return null;
  return { rule: "S23", code: "takeover-may-lack", params: { vm: vm.name } };
}

function isByHost({ state }: Replica): boolean {
  return state.kind === "in-sync" && state.byHost === true;
}

/** Also where only its lost host could say that it did not go on without them: this order states that (S23). */
function isInSync(view: ClusterView, vm: VmId, self: HostId): boolean {
  const use = usability(view, vm, self);
  return use.kind === "whole" || (use.kind === "lossy" && use.code === "replica-by-host");
}

/** VMs that this host has, each with what is on record of copies elsewhere. */
function ownCopies(view: ClusterView, self: HostId) {
  return [...view.owners].flatMap(([vm, owner]) => {
    if (owner.value.host !== self) return [];
    const copies = [...view.members.keys()].flatMap((host) => (host === self ? [] : copiesOn(view, vm, host)));
    return [{ vm, owner: owner as Stored<Owner>, copies }];
  });
}

function lostVms(view: ClusterView, lost: readonly HostId[]) {
  const found: { readonly vm: Vm; readonly owner: Stored<HeldOwner> }[] = [];
  for (const [id, owner] of view.owners) {
    const vm = view.vms.get(id)?.value;
    if (vm === undefined || owner.value.kind !== "held" || !lost.includes(owner.value.host)) continue;
    found.push({ vm, owner: owner as Stored<HeldOwner> });
  }
  return found;
}

/** `subject`: stays the same where somebody else was first and it is made anew on what is there then. */
export type TakeoverStep = { readonly subject: string; readonly transaction: Transaction };

/**
 * What is written into a store that was just forced, one after the other: first that it was, then the leaps of the lost hosts'
 * VMs, and only then their fences: from there on managers do the rest (S9, S17), and must find no epoch that was used.
 */
export function takeoverSteps(view: ClusterView, takeover: Takeover): readonly TakeoverStep[] {
  const { self, lost, at } = takeover;
  const cluster = view.cluster;
  if (cluster === undefined) return [];
  const forced = { by: self, without: [...lost.keys()], at };
  const say = (subject: string, state: NonNullable<Cluster["forced"]>): TakeoverStep => ({
    subject,
    transaction: transaction(
      [unchanged(keys.cluster, cluster)],
      [put(keys.cluster, { ...cluster.value, forced: state })],
    ),
  });
  return [
    say("cluster", { ...forced, open: true }),
    ...lostVms(view, [...lost.keys()])
      .filter(({ owner }) => mayLackDecisions(view) || isOfLostLife(owner.value, takeover))
      .map(({ vm, owner }) => ({ subject: vm.id, transaction: renumber(view, vm.id, owner, takeover) })),
    ...(mayLackDecisions(view) ? ownCopies(view, self).flatMap((own) => keepBranches(own, at)) : []),
    ...[...lost].flatMap(([host, proof]) => fenceOff(view, host, proof, takeover)),
    // Refused where it is made on what was there before the first: it is made anew then, and so comes last in any case.
    say("finished", forced),
  ];
}

/**
 * The others may have fenced this host, and gone on from such a copy: what a VM was answered there nobody else has. So nothing is
 * sent to it as if it only lacked something, and what lies there is kept as a branch before it is written over (S18).
 */
function keepBranches(
  { vm, owner, copies }: ReturnType<typeof ownCopies>[number],
  at: WallMs,
): readonly TakeoverStep[] {
  const compares: Compare[] = [unchanged(keys.owner(vm), owner)];
  const writes: Write[] = [];
  for (const { key, record } of copies) {
    if (record === undefined || keepsBranch(record.value) || record.value.state.kind === "surplus") continue;
    compares.push(unchanged(key, record));
    writes.push(put(key, { ...record.value, state: { kind: "diverged", at, kept: true } }));
  }
  return writes.length === 0 ? [] : [{ subject: vm, transaction: transaction(compares, writes) }];
}

/**
 * What a later life of the lost host has claimed it has under a number that this store knows of, and by all that it knows itself:
 * where two had to agree to whatever was decided, nothing of that leaps.
 */
function isOfLostLife({ host, incarnation }: HeldOwner, { lives }: Takeover): boolean {
  const life = lives?.get(host);
  return life === undefined || incarnation <= life;
}

/** S24: until all of a takeover is written, managers would decide by records that it is about to change. */
export function isHalfTakenOver({ cluster }: ClusterView): boolean {
  return cluster?.value.forced?.open === true;
}

/** Members without which this one went on by an order that was not written to its end. */
export function leftUnfenced(view: ClusterView, self: HostId): readonly HostId[] {
  const forced = view.cluster?.value.forced;
  if (forced?.by !== self) return [];
  if (forced.open === true) return forced.without;
  return forced.without.filter((host) => {
    const fences = [...(view.fences.get(host)?.values() ?? [])];
    return view.hosts.has(host) && !fences.some(({ value }) => value.at >= forced.at);
  });
}

/** The life that was lost is not heard until this is written, as S9 has it of silence: else it is not off, whatever was said. */
function unheard(view: ClusterView, host: HostId, lives: Takeover["lives"]): readonly Compare[] {
  const life = lives?.get(host);
  return life === undefined ? [] : [unchanged(keys.heartbeat(host, life), heartbeatOf(view, host, life))];
}

/** A witness, or a host that never joined, has nothing that could be fenced. */
function fenceOff(
  view: ClusterView,
  host: HostId,
  proof: OffProof,
  { self, at, lives }: Takeover,
): readonly TakeoverStep[] {
  const registration = view.hosts.get(host);
  if (registration === undefined) return [];
  const { incarnation } = registration.value;
  // It is back meanwhile, and ended the life before by itself.
  if (lives !== undefined && lives.get(host) !== incarnation) return [];
  const before = fenceOf(view, host, incarnation);
  const record: FenceRecord = {
    schema: 1,
    cause: proof === "power-off" ? "device" : "order",
    by: self,
    heartbeatRevision: heartbeatOf(view, host, incarnation)?.revision ?? null,
    waitedMs: 0,
    ...before?.value,
    device: proof === "power-off" ? "confirmed" : "not-needed",
    proofs: [...new Set([...(before?.value.proofs ?? []), proof])],
    at,
  };
  const key = keys.fence(host, incarnation);
  const compares = [unchanged(keys.host(host), registration), unchanged(key, before), ...unheard(view, host, lives)];
  return [{ subject: host, transaction: transaction(compares, [put(key, record)]) }];
}

/**
 * The epoch leaps over all that the lost host may have used. Copies here that are in sync with its run, every disk of it,
 * leap along: this order takes them, where both members had to agree that they are. Of any other, nothing is known (S21); what was
 * never whole stays of no use.
 */
function renumber(view: ClusterView, vm: VmId, owner: Stored<HeldOwner>, takeover: Takeover): Transaction {
  const { self, byItself, lives } = takeover;
  const epoch = (owner.value.epoch + epochGap) as Epoch;
  const compares: Compare[] = [unchanged(keys.owner(vm), owner), ...unheard(view, owner.value.host, lives)];
  const writes: Write[] = [put(keys.owner(vm), { ...owner.value, epoch })];
  const isUnsaid = copiesOn(view, vm, self).some(({ record: one }) => one !== undefined && isByHost(one.value));
  const registration = view.hosts.get(owner.value.host);
  // S23: up again, the lost host has every write on its own disks, and may start from them: nobody is to be before it from a copy.
  const isBack = lives !== undefined && registration?.value.incarnation !== lives.get(owner.value.host);
  if (isUnsaid) compares.push(unchanged(keys.host(owner.value.host), registration));
  const isVouchedFor = !isUnsaid || (byItself !== true && !isBack);
  const isTaken = !mayLackDecisions(view) && isInSync(view, vm, self) && isVouchedFor;
  for (const host of view.members.keys()) {
    for (const { key, record } of copiesOn(view, vm, host)) {
      if (record === undefined) continue;
      const next =
        host === self && isTaken
          ? { ...record.value, epoch, state: takenState(record.value) }
          : forgotten(record.value);
      if (next === record.value) continue;
      compares.push(unchanged(key, record));
      writes.push(put(key, next));
    }
  }
  return transaction(compares, writes);
}

/** Whoever goes on from it says that nobody can say what it lacks (S23), also where the order is given anew. */
function takenState(replica: Replica): ReplicaState {
  return { kind: "in-sync", ...(isByHost(replica) || isTakenUnsaid(replica) ? { unsaid: true } : {}) };
}

function forgotten(replica: Replica): Replica {
  const { state } = replica;
  const wasWhole = state.kind === "in-sync" || state.kind === "sealed" || (state.kind === "stale" && state.whole);
  // That they were to go was said of copies that others were better than.
  const { toRemove: _, ...kept } = replica;
  if (!wasWhole && replica.toRemove !== true) return replica;
  return wasWhole ? { ...kept, state: { kind: "unknown" } } : kept;
}

/**
 * The store went on without this host, by force or because it was removed (HM7), which lives on as a later incarnation and is
 * heard there: only then its member may put its data aside and join (S23).
 */
export function isToRejoin(view: ClusterView, self: HostId, role: "host" | "witness"): boolean {
  if (joinsStore(view, self)) return true;
  if (isHalfTakenOver(view) || view.cluster?.value.forced?.without.includes(self) !== true) return false;
  if (role === "witness") return true;
  const incarnation = view.hosts.get(self)?.value.incarnation;
  if (incarnation === undefined || fenceOf(view, self, incarnation) !== undefined) return false;
  return heartbeatOf(view, self, incarnation) !== undefined;
}

/** It votes again; undefined: that is said already. */
export function rejoinedTransaction(view: ClusterView, self: HostId): Transaction | undefined {
  const cluster = view.cluster;
  const forced = cluster?.value.forced;
  if (cluster === undefined || forced?.without.includes(self) !== true) return joinedStoreTransaction(view, self);
  const without = forced.without.filter((host) => host !== self);
  const next = { ...cluster.value, forced: { ...forced, without } };
  return transaction([unchanged(keys.cluster, cluster)], [put(keys.cluster, next)]);
}
