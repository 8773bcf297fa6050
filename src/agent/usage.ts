import { inKeyOrder } from "../base/order.ts";
import { put, remove, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { HostUsage, Usage } from "../model/host-records.ts";
import { type Incarnation, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { ClusterView } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import { type Building, isNamed } from "./building.ts";
import { type Means, meansOf, withMeasurement } from "./means.ts";
import type { AgentEvent, Measuring } from "./state.ts";

/** Also the least time between two records: one is written only with what was just measured. */
const measureEveryMs = 10_000;
/** Less than this, or less than a twentieth of the figure, is no change. */
const changedCores = 0.05;
const changedMiB = 16;
const changedPart = 0.05;
const subject = "usage";

/** PL4: measures what this host and its VMs use, and writes it where it has changed, as long as hosts are compared by it. */
export function decideUsage(building: Building, incarnation: Incarnation): void {
  const { view, kind } = building.happened;
  if (!isWanted(view)) {
    if (building.state.measuring.samples.length > 0) setMeasuring(building, { samples: [] });
    removeRecord(building);
    return;
  }
  measure(building, incarnation);
  if (kind !== "measured") return;
  const { samples } = building.state.measuring;
  const means = meansOf(samples);
  if (means !== undefined) write(building, incarnation, means);
  // Nothing could be read for a whole window: an old figure must not stand for it.
  else if (samples.length === 0) removeRecord(building);
}

export function noteMeasurement(
  { samples }: Measuring,
  { measurement, now }: AgentEvent & { kind: "measured" },
): Measuring {
  return { samples: withMeasurement(samples, measurement), running: false, nextAt: later(now, measureEveryMs) };
}

function setMeasuring(building: Building, change: Partial<Measuring>): void {
  const { measuring } = building.state;
  building.state = { ...building.state, measuring: { ...measuring, ...change } };
}

function isWanted(view: ClusterView): boolean {
  const { mode, autoRebalance } = (view.policy?.value ?? defaultPolicy).scheduler;
  return mode === "dynamic" || autoRebalance.enabled;
}

/** Looked at whenever the agent is awake anyway. */
function measure(building: Building, incarnation: Incarnation): void {
  const { running, nextAt } = building.state.measuring;
  if (running || building.happened.now < nextAt) return;
  setMeasuring(building, { running: true });
  building.effects.push({ kind: "measure", runs: runsOf(building, incarnation) });
}

/** Those that execute here because their owner records say so: one of each VM. */
function runsOf({ state, happened }: Building, incarnation: Incarnation): VmRun[] {
  return inKeyOrder(state.locals).flatMap(([, { run, phase }]) => {
    const runs = phase === "running" || phase === "paused" || phase === "stopping";
    return runs && run.incarnation === incarnation && isNamed(happened.view, state.self, run) ? [run] : [];
  });
}

function write(building: Building, incarnation: Incarnation, means: Means): void {
  const { state, happened } = building;
  const registration = happened.view.hosts.get(state.self);
  if (registration === undefined || building.busy(subject)) return;
  const before = happened.view.usages.get(state.self);
  const vms = Object.fromEntries(inKeyOrder(means.vms));
  const next: HostUsage = { schema: 1, incarnation, host: means.host, vms, at: happened.wall };
  if (before !== undefined && !hasChanged(before.value, next)) return;
  const key = keys.hostUsage(state.self);
  const compares = [unchanged(key, before), ...stillIn(state.self, registration)];
  building.commit(subject, transaction(compares, [put(key, next)]), []);
}

function removeRecord(building: Building): void {
  const { state, happened } = building;
  const before = happened.view.usages.get(state.self);
  const registration = happened.view.hosts.get(state.self);
  if (before === undefined || registration === undefined || building.busy(subject)) return;
  const key = keys.hostUsage(state.self);
  building.commit(
    subject,
    transaction([unchanged(key, before), ...stillIn(state.self, registration)], [remove(key)]),
    [],
  );
}

function hasChanged(before: HostUsage, next: HostUsage): boolean {
  if (before.incarnation !== next.incarnation || differs(before.host, next.host)) return true;
  const names = Object.keys(next.vms);
  if (names.length !== Object.keys(before.vms).length) return true;
  return names.some((vm) => {
    const [a, b] = [before.vms[vm], next.vms[vm]];
    return a === undefined || b === undefined || differs(a, b);
  });
}

function differs(a: Usage, b: Usage): boolean {
  const cores = Math.max(changedCores, changedPart * a.cores);
  const memoryMiB = Math.max(changedMiB, changedPart * a.memoryMiB);
  return Math.abs(a.cores - b.cores) > cores || Math.abs(a.memoryMiB - b.memoryMiB) > memoryMiB;
}
