import { valuesInKeyOrder } from "../base/order.ts";
import { isSame } from "../base/same.ts";
import { compatible, cpuModelAtStart, cpuModelOfRun } from "../core/cpu.ts";
import { event } from "../core/decision.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import { type HostId, type Incarnation, nextEpoch } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { EventDraft, VmStatus } from "../model/records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import { type Building, isNamed } from "./building.ts";
import { copyingOf } from "./copying.ts";
import { comesIn } from "./move-parts.ts";
import type { Local } from "./state.ts";

const phases: { readonly [P in Local["phase"]]: VmStatus["phase"] } = {
  starting: "starting",
  running: "running",
  paused: "paused",
  stopping: "stopping",
  killing: "stopping",
  adopting: "paused",
  gone: "failed",
  unclear: "failed",
  // By its source: the guest runs, or stands for a moment. At its target it comes up.
  moving: "running",
};

/** Writes what is seen of each VM owned here where it differs from the record. */
export function reportStatus(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  for (const local of valuesInKeyOrder(building.state.locals)) {
    const { run } = local;
    const subject = `status ${run.vm}`;
    if (run.incarnation !== incarnation || !isNamed(view, building.state.self, run) || building.busy(subject)) continue;
    const before = view.statuses.get(run.vm);
    const next = statusOf(building, local);
    if (before !== undefined && sameStatus(before.value, next)) continue;
    const registration = view.hosts.get(building.state.self);
    const owner = view.owners.get(run.vm);
    if (registration === undefined) continue;
    const compares = [
      unchanged(keys.owner(run.vm), owner),
      unchanged(keys.vmStatus(run.vm), before),
      ...stillIn(building.state.self, registration),
    ];
    const isSame = before?.value.epoch === next.epoch && before.value.phase === next.phase;
    const events = [...(isSame ? [] : told(building, next, local)), ...toldArrival(building, run, next)];
    building.commit(subject, transaction(compares, [put(keys.vmStatus(run.vm), next)]), events);
  }
}

/** The status of a run as it is now, as part of another transaction. */
export function statusChange(building: Building, local: Local): { readonly compare: Compare; readonly write: Write } {
  const key = keys.vmStatus(local.run.vm);
  const before = building.happened.view.statuses.get(local.run.vm);
  return { compare: unchanged(key, before), write: put(key, statusOf(building, local)) };
}

function statusOf(building: Building, local: Local): VmStatus {
  const { run } = local;
  return {
    schema: 1,
    host: building.state.self,
    incarnation: run.incarnation,
    epoch: run.epoch,
    phase: phaseOf(local),
    pausedBy: pausedBy(local),
    accel: building.state.accel,
    ...foundCpu(building, local),
    ...copyingOf(building.state, local),
    restarts: building.state.restarts.get(run.vm)?.count ?? 0,
    lastExit: local.exit,
    detail: local.detail,
    since: local.since,
  };
}

function phaseOf({ phase, moving }: Local): VmStatus["phase"] {
  if (phase !== "moving" || moving === null) return phases[phase];
  if (comesIn(moving.part)) return "starting";
  return moving.stands === null ? phases[phase] : "paused";
}

function pausedBy({ phase, moving, pausedBy }: Local): string[] {
  if (phase === "paused") return [...pausedBy];
  return phase === "moving" && moving?.stands != null ? [moving.stands] : [];
}

/** Whatever becomes of the run, also on another host: its guest keeps what it was shown at its start. */
function foundCpu(building: Building, { run, phase }: Local): Pick<VmStatus, "cpuModel"> {
  const { view } = building.happened;
  const vm = view.vms.get(run.vm)?.value;
  if (vm?.spec.cpuModel !== compatible) return {};
  return { cpuModel: phase === "starting" ? cpuModelAtStart(view, vm) : cpuModelOfRun(view, vm) };
}

function sameStatus(a: VmStatus, b: VmStatus): boolean {
  return isSame(a, { ...b, since: a.since });
}

function told(building: Building, status: VmStatus, local: Local): EventDraft[] {
  const vm = local.run.vm;
  const name = building.happened.view.vms.get(vm)?.value.name ?? vm;
  const subjects = { vm, host: building.state.self };
  if (status.phase === "running") return [event("vm-running", subjects, { vm: name, epoch: status.epoch })];
  if (status.phase === "paused") return [event("vm-paused", subjects, { vm: name, by: status.pausedBy.join(", ") })];
  return [];
}

/**
 * It came here by a live move. Told with the first word that it goes on, for which its source waits before it quits (S15): whichever
 * agent says that word tells it, once, while the move is still on record; of a source that was lost, who let the guest go on.
 */
function toldArrival(building: Building, run: VmRun, { phase }: VmStatus): EventDraft[] {
  const { view } = building.happened;
  const { self, arrivals } = building.state;
  const { vm, epoch } = run;
  const arrival = arrivals.get(vm);
  const isArrival = arrival?.run.epoch === epoch && !arrival.told;
  const isOn = (status: VmStatus["phase"]): boolean => status === "running" || status === "paused";
  const before = view.statuses.get(vm)?.value;
  const isTold = before?.epoch === epoch && isOn(before.phase);
  if (isTold || !isOn(phase) || !(isArrival || isHandedTo(view.moves.get(vm)?.value, self, run))) return [];
  const params = { vm: view.vms.get(vm)?.value.name ?? vm, host: self, epoch };
  const tookMs = isArrival ? arrival.tookMs : null;
  return [event("vm-moved", { vm, host: self }, tookMs === null ? params : { ...params, tookMs })];
}

function isHandedTo(move: VmMove | undefined, self: HostId, { incarnation, epoch }: VmRun): boolean {
  if (move?.live?.kind !== "switched" || move.to !== self || move.epoch === null) return false;
  return move.live.incarnation === incarnation && nextEpoch(move.epoch) === epoch;
}
