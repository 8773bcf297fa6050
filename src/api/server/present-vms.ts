import { compareNatural } from "../../base/order.ts";
import { findVm, hostName, networkName, poolName } from "../../core/requests/find.ts";
import { ruleBook } from "../../core/rules/rule-book.ts";
import { serviceState } from "../../core/service-state.ts";
import { silentSince } from "../../core/silent-qemus.ts";
import { whyDown } from "../../core/start-waits.ts";
import { vmError } from "../../core/vm-error.ts";
import { type HostSign, vmState } from "../../core/vm-state.ts";
import type { HostId } from "../../model/ids.ts";
import type { VmMove, VmOrder } from "../../model/move-records.ts";
import type { Refusal } from "../../model/reason.ts";
import type { Vm, VmStatus } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { StoredEvent } from "../../ports/journal.ts";
import type { EventOutput } from "../contract/event.ts";
import type { VmDetail, VmSummary } from "../contract/vm.ts";
import { presentProtection } from "./present-groups.ts";
import { presentStandstill } from "./present-standstill.ts";
import { presentTasks } from "./present-tasks.ts";
import { presentUsage } from "./present-usage.ts";
import { mayBeUp, type Tracker } from "./tracker.ts";

/** The status, where it speaks of the run that the owner record names. */
function currentStatus(view: ClusterView, vm: Vm): VmStatus | undefined {
  const status = view.statuses.get(vm.id)?.value;
  const owner = view.owners.get(vm.id)?.value;
  return status !== undefined && status.epoch === owner?.epoch ? status : undefined;
}

type Signs = Pick<Tracker, "sign" | "lost" | "standstill" | "contact" | "wall" | "ownWord">;

export function presentVm(view: ClusterView, vm: Vm, signs: Signs): VmSummary {
  const { sign, lost, standstill } = signs;
  const seen = vmState(view, vm.id, sign);
  const owner = view.owners.get(vm.id)?.value;
  const status = currentStatus(view, vm);
  // Its run is whole, and it executes nothing until it has arrived (S15).
  const stands = seen === "running" ? whyCopiedStands(status) : null;
  const state = stands === null ? seen : "paused";
  return {
    id: vm.id,
    name: vm.name,
    requested: vm.requested,
    state,
    service: presentService(view, vm, lost()),
    host: owner?.kind === "held" ? hostName(view, owner.host) : null,
    epoch: owner?.epoch ?? null,
    cpus: vm.spec.cpus,
    memoryMiB: vm.spec.memoryMiB,
    since: status?.since ?? null,
    pausedBy: stands === null ? (status?.pausedBy ?? []) : [stands],
    silentSince: seen === "running" || seen === "paused" ? silentSince(view, vm.id) : null,
    standstill: state === "frozen" && owner !== undefined ? presentStandstill(standstill(owner.host)) : null,
    protection: presentProtection(view, vm.id, signs),
  };
}

function whyCopiedStands(status: VmStatus | undefined): "move" | "storage-error" | null {
  if (status?.copying?.guest === "stopped") return "move";
  return status?.copying?.waitsForDisk === true ? "storage-error" : null;
}

function presentService(view: ClusterView, vm: Vm, lost: ReadonlySet<string>): VmSummary["service"] {
  const { state, host, target } = serviceState(view, vm.id, lost);
  const nameOf = (id: HostId | null) => (id === null ? null : hostName(view, id));
  return { state, host: nameOf(host), target: nameOf(target) };
}

export function presentVms(view: ClusterView, tracker: Tracker): VmSummary[] {
  const lost = tracker.lost();
  const known = new Map<HostId, HostSign>();
  const sign = (host: HostId): HostSign => {
    if (!known.has(host)) known.set(host, tracker.sign(host));
    return known.get(host);
  };
  const own = tracker.ownWord();
  const signs: Signs = { ...tracker, sign, lost: () => lost, ownWord: () => own };
  return [...view.vms.values()]
    .map(({ value }) => presentVm(view, value, signs))
    .sort((a, b) => compareNatural(a.name, b.name));
}

export function presentVmDetail(view: ClusterView, wanted: string, tracker: Tracker): VmDetail | Refusal {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const status = currentStatus(view, vm);
  const owner = view.owners.get(vm.id)?.value;
  return {
    ...presentVm(view, vm, tracker),
    cpuShown: status?.cpuModel ?? null,
    disks: vm.spec.disks.map((disk) => ({ ...disk, pool: poolName(view, disk.pool) })),
    nics: vm.spec.nics.map((nic) => ({ ...nic, network: networkName(view, nic.network) })),
    kernel: vm.spec.kernel,
    guestAgent: vm.spec.guestAgent,
    ...presentWishes(vm),
    createdAt: vm.createdAt,
    error: vmError(view, vm.id) ?? null,
    lock: vm.lock,
    down: presentDown(view, vm, tracker),
    ...presentMoves(view, vm),
    rules: [...ruleBook(view).rulesOf(vm.id)],
    accel: status?.accel ?? null,
    usage: owner?.kind === "held" ? presentUsage(view, owner.host, vm.id) : null,
    restarts: status?.restarts ?? 0,
    lastExit: status?.lastExit ?? null,
    detail: status?.detail ?? null,
    tasks: presentTasks(view, tracker, vm.id),
  };
}

function presentDown(view: ClusterView, vm: Vm, tracker: Tracker): VmDetail["down"] {
  const down = whyDown(view, vm, mayBeUp(tracker), tracker.wall());
  return down === undefined ? null : { ...down, alternatives: [...down.alternatives] };
}

/** What was ordered, what is under way, and what the manager remembers of it. */
function presentMoves(view: ClusterView, vm: Vm): Pick<VmDetail, "order" | "move" | "returnTo" | "failedMoves"> {
  const order = view.orders.get(vm.id)?.value;
  const move = view.moves.get(vm.id)?.value;
  const plan = view.plans.get(vm.id)?.value;
  const failed = plan?.failedMoves ?? null;
  return {
    order: order === undefined ? null : presentOrder(view, order),
    move: move === undefined ? null : presentMove(view, move),
    returnTo: plan === undefined || plan.returnTo === null ? null : hostName(view, plan.returnTo),
    failedMoves: failed === null ? null : { ...failed, params: failed.params ?? null, to: hostName(view, failed.to) },
  };
}

function presentOrder(view: ClusterView, { order, actor, at }: VmOrder): NonNullable<VmDetail["order"]> {
  return {
    kind: order.kind,
    to: order.kind === "stop" ? null : hostName(view, order.to),
    graceMs: order.kind === "stop" ? order.graceMs : null,
    by: actor,
    at,
  };
}

function presentMove(view: ClusterView, { kind, from, to, reason, answer, at }: VmMove): NonNullable<VmDetail["move"]> {
  const failed = answer.kind === "failed" ? { code: answer.code, params: answer.params } : null;
  return { kind, from: hostName(view, from), to: hostName(view, to), reason, failed, at };
}

/** What is wanted of it, as `vm set` changes it. */
export function presentWishes(vm: Vm) {
  const { id, name, requested, maxRestart, maxRelocate, stopGraceMs, failback, startPriority, startDelayMs } = vm;
  const { cpus, memoryMiB, cpuModel } = vm.spec;
  const wishes = { requested, maxRestart, maxRelocate, stopGraceMs, failback, startPriority, startDelayMs };
  return { id, name, ...wishes, cpus, memoryMiB, cpuModel };
}

export function presentEvent({ event, revision }: StoredEvent): EventOutput {
  const { host, boot, seq, type, subjects, params, reason, alternatives, actor, at } = event;
  return { revision, host, boot, seq, type, subjects, params, reason, alternatives, actor, at };
}
