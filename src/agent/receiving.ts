import { valuesInKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { giveUpCopies } from "../core/local-copies.ts";
import { replicationLinks } from "../core/migration-links.ts";
import { isBeingRemoved, isCountedOn, mayBeRemoved } from "../core/replica-removal.ts";
import { copiesOn, vmsWithCopiesOn } from "../core/replication.ts";
import { sealedCycle } from "../core/replication-cycles.ts";
import { copiesState, groupOf, protectionOf, runToReceive } from "../core/replication-duty.ts";
import {
  forgetCopiesTransaction,
  isReceiverKnown,
  type Received,
  receiverTransaction,
} from "../core/replication-receiver.ts";
import { stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { Epoch, HostId, Incarnation, VmId } from "../model/ids.ts";
import { keys, parseKey } from "../model/keys.ts";
import type { Vm } from "../model/records.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { ReceiveRequest, ReplicaVolume } from "../ports/replication.ts";
import type { Building } from "./building.ts";
import { nameOf } from "./move-parts.ts";
import { ceaseKey, isReplicaWorking, receiveKey, withReceiving, withReplicas } from "./note-replicas.ts";
import type { Receiving } from "./replica-state.ts";
import { runKey } from "./state.ts";

// The host that receives copies: opens them for the run that its group protects, and closes them before anything of its own
// opens the images.

/** Every group in which this host is the other end, and every copy here that nobody writes any more. */
export function settleReceiving(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self } = building.state;
  for (const { value: group } of valuesInKeyOrder(view.groups)) {
    if (group.source !== self && group.target !== self) continue;
    for (const vm of group.vms) settleVm(building, vm, incarnation);
  }
  for (const vm of vmsWithCopiesOn(view, self))
    if (mayBeRemoved(view, vm, self) ? hasItsOwn(building, vm) : isLeft(view, vm, self))
      forget(building, vm, incarnation);
}

/** S17: the host whose disks are the VM's own is heard; as long as it may be lost, these here may be all that there is. */
function hasItsOwn({ state, happened: { view, now } }: Building, vm: VmId): boolean {
  const host = view.owners.get(vm)?.value.host;
  const heardAt = host === undefined ? undefined : state.beats.get(host);
  return heardAt !== undefined && now - heardAt <= limits.aliveMs;
}

function settleVm(building: Building, vm: VmId, incarnation: Incarnation): void {
  const { view, now } = building.happened;
  const { state } = building;
  const run = runToReceive(view, vm, state.self);
  if (run === undefined || isHere(building, vm) || isReplicaWorking(state, ceaseKey(vm))) return;
  // What an earlier group left here is being removed.
  if (isBeingRemoved(view, vm, state.self)) return;
  const known = state.replicas.receiving.get(vm);
  const inCycles = isInCycles(view, vm, state.self, run.group);
  const isOfRun = known?.epoch === run.epoch && known.incarnation === incarnation && known.from === run.host;
  const isThis = isOfRun && known.inCycles === inCycles;
  if (isReplicaWorking(state, receiveKey(vm))) return;
  if (
    isThis &&
    known.doors !== null &&
    sayDoors(building, vm, run.epoch, { doors: known.doors, isAsLeft: known.isAsLeft, lost: known.lost })
  )
    return;
  // What serves it may have died, or hang: then it is replaced (S19). Where each write arrives it works.
  if (isThis && known.doors !== null && copiesState(view, vm, run, state.self) === "in-sync") return;
  // Where somebody says which points stay, they are thinned out by that.
  const keepCycles = inCycles && run.group.points === null ? limits.cyclesKept : null;
  // A cycle starts itself what it needs, and asking again would break it off (S25): once for another schedule, and never the first one.
  const isToldSo = known?.keepCycles === keepCycles || copiesState(view, vm, run, state.self) !== "sealed";
  if (isThis && known.doors !== null && inCycles && isToldSo) return;
  if (isThis) tellRefused(building, vm, known);
  if (isThis && now < known.retryAt) {
    building.wakeAt(known.retryAt);
    return;
  }
  const request = requestFor(view, vm, run, state.self);
  if (request === undefined) return;
  const op = building.op({ kind: "receive", runKey: receiveKey(vm) });
  const doors = isThis ? known.doors : null;
  const isAsLeft = isThis && known.isAsLeft;
  const of = {
    epoch: run.epoch,
    from: run.host,
    incarnation,
    inCycles,
    keepCycles,
    refused: isThis ? refusedOf(building, vm) : null,
  };
  const lost = isThis ? known.lost : null;
  const promised = sealedCycle(view, vm, state.self);
  const receiving = { ...of, doors, isAsLeft, promised, lost, retryAt: now };
  const ceased = new Map(building.state.replicas.ceased);
  ceased.delete(vm);
  building.state = withReplicas(withReceiving(building.state, vm, receiving), { ceased });
  const kept = keepCycles === null ? {} : { keepCycles };
  building.effects.push({ kind: "receive", op, request: { ...request, ...kept }, inCycles });
}

function refusedOf({ state }: Building, vm: VmId): Receiving["refused"] {
  return state.replicas.receiving.get(vm)?.refused ?? null;
}

/** Once for each cause: as long as it is so, there is no copy, and only this host knows why. */
function tellRefused(building: Building, vm: VmId, receiving: Receiving): void {
  const { view } = building.happened;
  const { refused } = receiving;
  const subject = `refused ${vm}`;
  if (refused === null || refused.told || building.busy(subject)) return;
  const params = { vm: nameOf(view, vm), host: building.state.self };
  const why = { rule: "S21", code: refused.code, params: refused.params };
  const told = event("copies-not-received", { vm, host: building.state.self }, params, why);
  building.commit(subject, transaction([unchanged(keys.owner(vm), view.owners.get(vm))], []), [told]);
  building.state = withReceiving(building.state, vm, { ...receiving, refused: { ...refused, told: true } });
}

/**
 * S25: while the records promise a sealed cycle nothing else is written over it, and while they promise every write no cycle
 * is: whoever runs the VM says first that the copies are of no use for now.
 */
function isInCycles(view: ClusterView, vm: VmId, self: HostId, { mode }: Group): boolean {
  const kinds = copiesOn(view, vm, self).map(({ record }) => record?.value.state.kind ?? "copying");
  if (mode.kind === "synchronous") return kinds.includes("sealed");
  return kinds.every((kind) => kind === "copying" || kind === "sealed");
}

/** True: that was not on record yet, or is on its way. */
function sayDoors(building: Building, vm: VmId, epoch: Epoch, received: Received): boolean {
  const { view } = building.happened;
  const { self } = building.state;
  if (building.busy(subjectOf(vm))) return true;
  if (isReceiverKnown(view, vm, self, epoch, received)) return false;
  const made = receiverTransaction(view, vm, self, epoch, received);
  if (made.kind === "commit") building.commit(subjectOf(vm), made.transaction, []);
  return true;
}

function requestFor(
  view: ClusterView,
  vm: VmId,
  { host: from, epoch }: Pick<ReceiveRequest, "epoch"> & { readonly host: HostId },
  self: HostId,
): ReceiveRequest | undefined {
  const [there, here] = [view.members.get(from)?.value, view.members.get(self)?.value];
  const volumes = volumesOf(view, view.vms.get(vm)?.value.spec.disks);
  if (there === undefined || here === undefined || volumes === undefined) return undefined;
  const links = replicationLinks(there, here);
  const group = groupOf(view, vm)?.name;
  const whose = group === undefined ? {} : { group: { group, name: nameOf(view, vm) } };
  const addresses = links.map((link) => link.to);
  return { vm, epoch, from, volumes, addresses, tls: true, ...whose };
}

/** Undefined: it has none, or a pool of them is not known. */
export function volumesOf(
  view: ClusterView,
  disks: Vm["spec"]["disks"] | undefined,
): readonly ReplicaVolume[] | undefined {
  const volumes = disks?.map(({ volume, pool, sizeMiB, format }) => {
    return { volume, pool: view.pools.get(pool)?.value, sizeMiB, format };
  });
  const known = volumes?.flatMap((one) => (one.pool === undefined ? [] : [{ ...one, pool: one.pool }]));
  return known?.length === volumes?.length && known?.length !== 0 ? known : undefined;
}

/** A run of it has the images open; one that waits for its guest has not, and needs them to be received until then (S15). */
function isHere({ state }: Building, vm: VmId): boolean {
  for (const { run, phase, moving } of state.locals.values())
    if (run.vm === vm && phase !== "gone" && moving?.part !== "incoming") return true;
  return false;
}

/** Copies of no group: not one that is still counted on, nor the branch that somebody is to look at. */
function isLeft(view: ClusterView, vm: VmId, self: HostId): boolean {
  if (protectionOf(view, vm)?.to === self || view.owners.get(vm)?.value.host === self) return false;
  // One that cannot be read may be of the group that protects it.
  if ([...view.unreadable.keys()].some((key) => parseKey(key).kind === "group")) return false;
  return [...view.replicas.values()].every(({ value }) => {
    if (value.vm !== vm || value.host !== self) return true;
    return value.receiver !== null && !isCountedOn(view, value) && value.state.kind !== "diverged";
  });
}

/** With their images where the group went with its replicas; otherwise those stay where they are, and nobody knows of them. */
function forget(building: Building, vm: VmId, incarnation: Incarnation): void {
  const { view, wall } = building.happened;
  const { self } = building.state;
  if (building.busy(subjectOf(vm)) || isReplicaWorking(building.state, receiveKey(vm))) return;
  if (building.state.replicas.ceased.get(vm) !== "") {
    cease(building, vm, undefined);
    return;
  }
  if (!mayBeRemoved(view, vm, self)) {
    const made = forgetCopiesTransaction(view, vm, self);
    if (made.kind === "commit") building.commit(subjectOf(vm), made.transaction, []);
    return;
  }
  const registration = view.hosts.get(self);
  const made = giveUpCopies(view, vm, self, wall);
  if (made.kind === "refused" || registration?.value.incarnation !== incarnation) return;
  const told = event("copies-given-up", { vm, host: self }, { vm: nameOf(view, vm), host: self });
  building.commit(subjectOf(vm), transaction([...made.compares, ...stillIn(self, registration)], made.writes), [told]);
}

/**
 * S19: before a start nothing may write the VM's images any more, neither an earlier connection nor the daemon that serves
 * them. True: that is so.
 */
export function hasCeased(building: Building, run: VmRun): boolean {
  if (building.state.replicas.ceased.get(run.vm) === runKey(run)) return true;
  cease(building, run.vm, run);
  return false;
}

function cease(building: Building, vm: VmId, before: VmRun | undefined): void {
  const key = ceaseKey(vm);
  const at = building.state.replicas.retries.get(key);
  if (isReplicaWorking(building.state, key) || isReplicaWorking(building.state, receiveKey(vm))) return;
  if (at !== undefined && building.happened.now < at) {
    building.wakeAt(at);
    return;
  }
  const { view } = building.happened;
  const volumes = before === undefined ? null : volumesOf(view, view.vms.get(vm)?.value.spec.disks);
  if (volumes === undefined) return;
  const op = building.op({ kind: "cease", runKey: key, ...(before === undefined ? {} : { as: before }) });
  const back = before === undefined ? undefined : view.owners.get(vm)?.value.back;
  building.effects.push({ kind: "cease", op, vm, before: volumes, ...(back === undefined ? {} : { back }) });
}

function subjectOf(vm: VmId): string {
  return `received ${vm}`;
}
