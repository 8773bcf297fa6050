import { inKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { copiesOn, copyingTransaction, type Run } from "../core/replication.ts";
import { isLate, lagMs, nextCycleAt, sealedCycle, sealedTransaction } from "../core/replication-cycles.ts";
import { doorsTo, isWorking, type Protection, protectionOf } from "../core/replication-duty.ts";
import { transaction, unchanged } from "../core/transactions.ts";
import { type HostId, type Incarnation, type InstantMs, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Door } from "../ports/migration.ts";
import { type Building, isNamed } from "./building.ts";
import { isHalted } from "./last-cycle.ts";
import { replicaSubject } from "./mirroring.ts";
import { nameOf } from "./move-parts.ts";
import { withCycled, withoutCycled } from "./note-cycles.ts";
import { isLastKept } from "./point-taking.ts";
import { type Cycled, newCycled } from "./replica-state.ts";
import { runKey } from "./state.ts";

// The host whose VMs are copied in cycles: when the next one begins, and what is recorded once it is sealed (S25).

type Here = {
  readonly run: VmRun;
  readonly cycled: Cycled;
  readonly to: HostId;
  readonly everyMs: number;
  readonly protection: Protection;
};
type Due = Here & {
  readonly doors: readonly Door[];
  readonly dueAt: InstantMs;
  readonly purpose: Cycled["purpose"];
};

export function settleCycles(building: Building, incarnation: Incarnation): void {
  if (!building.state.replicas.listed) return;
  const due: Due[] = [];
  for (const [key, cycled] of inKeyOrder(building.state.replicas.cycled)) settleLeft(building, key, cycled);
  for (const [, local] of inKeyOrder(building.state.locals)) {
    const { run, phase } = local;
    if (run.incarnation !== incarnation || !isNamed(building.happened.view, building.state.self, run)) continue;
    if (phase === "running" || phase === "paused" || isHalted(local)) due.push(...settleRun(building, run));
  }
  beginDue(building, due);
}

/** A run that is over: nothing of its cycles is left, neither a relay nor what was noted. */
function settleLeft(building: Building, key: string, cycled: Cycled): void {
  const local = building.state.locals.get(key);
  if (local !== undefined && local.phase !== "gone") return;
  if (local === undefined && isNamed(building.happened.view, building.state.self, cycled.run)) return;
  if (cycled.stage === "ended") building.state = withoutCycled(building.state, key);
  else endCycles(building, cycled);
}

function settleRun(building: Building, run: VmRun): Due[] {
  const { view } = building.happened;
  const { replicas } = building.state;
  const key = runKey(run);
  const protection = protectionOf(view, run.vm);
  const mode = protection?.group.mode;
  const known = replicas.cycled.get(key);
  if (protection === undefined || mode?.kind !== "asynchronous") {
    if (known !== undefined && known.stage !== "ended") endCycles(building, known);
    return [];
  }
  const { to } = protection;
  const cycled = known === undefined || known.stage === "ended" ? newCycled(run) : known;
  const here: Here = { run, cycled, to, everyMs: mode.everyS * 1_000, protection };
  if (building.busy(replicaSubject(run.vm))) return [];
  if (cycled.sealed !== null) {
    recordSealed(building, here);
    return [];
  }
  // A relay that each write still waits for goes first: QEMU's disks are sent by one of both.
  const isMirrored = [...replicas.mirrors.values()].some((mirror) => mirror.run.vm === run.vm);
  if (isMirrored || !isWorking(view, protection.group)) return [];
  // So do the cycles under an earlier name of it (S11): what QEMU notes for one is what it notes for the other.
  if ([...replicas.cycled.values()].some((other) => other.run.vm === run.vm && runKey(other.run) !== key)) return [];
  const told = { ...here, cycled: tellLate(building, here) };
  return cycled.stage === "idle" ? dueOf(building, told) : [];
}

/**
 * What the copies promised before is taken back by record, before anything is written over it (S25); what is left of a run, and of
 * use, is a point by then (S18, S20).
 */
function dueOf(building: Building, here: Here): Due[] {
  const { view, now } = building.happened;
  const { run, to } = here;
  const copies = copiesOn(view, run.vm, to);
  const isOpen = copies.every(({ record }) => ["copying", "sealed"].includes(record?.value.state.kind ?? "copying"));
  const doors = doorsTo(view, run.vm, run, to);
  if (doors === undefined) return [];
  if (!isOpen) {
    if (!isLastKept(building, run, to, doors)) return [];
    const made = copyingTransaction(view, run.vm, runOf(building, run), to);
    if (made.kind === "commit") building.commit(replicaSubject(run.vm), made.transaction, []);
    return [];
  }
  const purpose = purposeOf(building, run);
  if (purpose !== "usual") {
    // Somebody waits for it: at once, and again as usual where it was broken.
    if (here.cycled.purpose !== purpose) return [{ ...here, doors, dueAt: now, purpose }];
    if (here.cycled.reached?.purpose === purpose) return [];
  }
  const dueAt = nextAt(building, here);
  if (now >= dueAt) return [{ ...here, doors, dueAt, purpose }];
  building.wakeAt(dueAt);
  return [];
}

function purposeOf({ state }: Building, run: VmRun): Cycled["purpose"] {
  const local = state.locals.get(runKey(run));
  if (local !== undefined && isHalted(local)) return "last";
  return local?.last?.stage === "ahead" ? "ahead" : "usual";
}

/**
 * Of an agent that has begun none yet: as the record says, so that a new one does not begin them all at once; whoever is late
 * by it, or has none, comes before those that had their turn. A record from what this host's clock calls the future says
 * nothing: the clock was set back, and would have to catch up first.
 */
function nextAt(building: Building, { run, cycled, to, everyMs }: Here): InstantMs {
  const { view, now, wall } = building.happened;
  const { begunAt, endedAt, failures } = cycled;
  if (begunAt !== null && endedAt !== null) return nextCycleAt(everyMs, { begunAt, endedAt, failures }) as InstantMs;
  const last = sealedCycle(view, run.vm, to);
  const sinceMs = last === undefined ? -1 : wall - last.at;
  return (sinceMs < 0 ? 0 : now + everyMs - sinceMs) as InstantMs;
}

/**
 * Never two of one run; of all runs a few, whoever waits longest. One that somebody waits for takes nobody's turn, and waits for
 * none.
 */
function beginDue(building: Building, due: readonly Due[]): void {
  const { heart } = building.state;
  if (heart === "lost" || heart.frozen) return;
  const underWay = [...building.state.replicas.cycled.values()].filter(({ stage }) => stage === "under-way").length;
  const asked = due.filter(({ purpose }) => purpose !== "usual");
  const usual = due.filter(({ purpose }) => purpose === "usual").sort((a, b) => a.dueAt - b.dueAt);
  const next = [...asked, ...usual.slice(0, Math.max(0, limits.cyclesAtOnce - underWay))];
  for (const { run, cycled, to, doors, purpose } of next) {
    const disks = building.happened.view.vms.get(run.vm)?.value.spec.disks ?? [];
    const volumes = disks.map(({ volume, sizeMiB }) => ({ volume, sizeMiB }));
    const op = building.op({ kind: "cycle", runKey: runKey(run) });
    const { now } = building.happened;
    const failures = cycled.purpose === purpose ? cycled.failures : 0;
    const begun = { stage: "under-way", begunAt: now, purpose, failures, reached: null } as const;
    building.state = withCycled(building.state, { ...cycled, ...begun });
    building.effects.push({ kind: "cycle", op, run, request: { to, doors, tls: true, volumes, mibPerSecond: null } });
  }
}

function endCycles(building: Building, cycled: Cycled): void {
  const key = runKey(cycled.run);
  const at = building.state.replicas.retries.get(key);
  if (cycled.stage !== "idle") return;
  if (at !== undefined && building.happened.now < at) {
    building.wakeAt(at);
    return;
  }
  const op = building.op({ kind: "end-cycles", runKey: key });
  building.state = withCycled(building.state, { ...cycled, stage: "ending", sealed: null });
  building.effects.push({ kind: "end-cycles", op, run: cycled.run });
}

/** Until it shows in the view, or the records say something that it does not fit. */
function recordSealed(building: Building, { run, cycled, to }: Here): void {
  const { view } = building.happened;
  const { sealed } = cycled;
  if (sealed === null) return;
  const known = sealedCycle(view, run.vm, to);
  const made = sealedTransaction(view, run.vm, runOf(building, run), to, sealed);
  const isKnown = known?.chain === sealed.chain && known.sequence >= sealed.sequence;
  if (isKnown || made.kind === "refused") {
    building.state = withCycled(building.state, { ...cycled, sealed: null });
    building.wakeAt(later(building.happened.now, 1));
    return;
  }
  const params = { vm: nameOf(view, run.vm), host: to };
  const told = event("replica-first-cycle", { vm: run.vm, host: building.state.self }, params);
  building.commit(replicaSubject(run.vm), made.transaction, known === undefined ? [told] : []);
}

/** Told once while it lasts. */
function tellLate(building: Building, { run, cycled, to, protection }: Here): Cycled {
  const { view, wall, now } = building.happened;
  const { mode } = protection.group;
  const lag = lagMs(view, run.vm, to, wall);
  if (lag === undefined || mode.kind !== "asynchronous") return cycled;
  // One that is under way may mend it, as after the VM was down for a while.
  const isStuck = cycled.failures > 0 || isSlow(cycled, now, 2 * mode.everyS * 1_000);
  const isLagging = isLate(mode, lag) && (isStuck || cycled.toldLate);
  if (!isLate(mode, lag)) building.wakeAt(later(now, 2 * mode.everyS * 1_000 - lag + 1));
  const subject = `late ${run.vm}`;
  if (isLagging === cycled.toldLate || building.busy(subject)) return cycled;
  const next = { ...cycled, toldLate: isLagging };
  building.state = withCycled(building.state, next);
  const params = { vm: nameOf(view, run.vm), host: to };
  const lagging = { ...params, seconds: Math.round(lag / 1_000), everyS: mode.everyS, why: cycled.why };
  const subjects = { vm: run.vm, host: building.state.self };
  const told = isLagging ? event("replica-lags", subjects, lagging) : event("replica-caught-up", subjects, params);
  building.commit(subject, transaction([unchanged(keys.owner(run.vm), view.owners.get(run.vm))], []), [told]);
  return next;
}

function isSlow({ stage, begunAt }: Cycled, now: InstantMs, longMs: number): boolean {
  return stage === "under-way" && begunAt !== null && now - begunAt > longMs;
}

function runOf({ state }: Building, { incarnation, epoch }: VmRun): Run {
  return { host: state.self, incarnation, epoch };
}
