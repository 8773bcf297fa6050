import { limits } from "../core/limits.ts";
import { sealedCycle, sealsLast } from "../core/replication-cycles.ts";
import { protectionOf } from "../core/replication-duty.ts";
import { type HostId, type Incarnation, type InstantMs, later } from "../model/ids.ts";
import { isSameCycle } from "../model/replication-cycle.ts";
import type { HypervisorEnd } from "../ports/hypervisor.ts";
import { type Building, isNamed } from "./building.ts";
import { withLocal } from "./locals.ts";
import { withCycled } from "./note-cycles.ts";
import { type Local, runKey } from "./state.ts";

// S25: a run that is copied in cycles ends here by an order, and goes on elsewhere without a loss. Its guest is halted, so that
// nothing is written any more; then one more cycle is begun and sealed; then the run ends, and with that its host says that
// the copy has everything. Whatever fails on the way: the run ends all the same, and starts where its disks lie.

/** In a row, of a cycle that somebody waits for. */
const triesMax = 3;

/**
 * Brings the end of a run, which is to go on where its copies are, a step further: first most of what they lack is sent, while the
 * guest runs, then the rest. `refused`: they are not reached, or it stands still, and it stays as it is. `no`: it just ends.
 */
export function takeToLast(building: Building, local: Local): "no" | "waits" | "halts" | "refused" {
  const { run, last, phase } = local;
  const { view } = building.happened;
  const { group, to } = protectionOf(view, run.vm) ?? {};
  if (last?.stage === "given-up") return "no";
  if (to === undefined || view.moves.get(run.vm)?.value.to !== to || group?.mode.kind !== "asynchronous") return "no";
  const cycled = building.state.replicas.cycled.get(runKey(run));
  const isTried = last !== null && cycled?.purpose === "ahead" && cycled.failures >= triesMax;
  if (isTried || phase !== "running" || !sealsLast(view, run.vm, to)) {
    building.state = withLocal(building.state, { ...local, last: null });
    return "refused";
  }
  if (last === null) {
    building.state = withLocal(building.state, { ...local, last: { stage: "ahead" } });
    if (cycled !== undefined) building.state = withCycled(building.state, { ...cycled, ...asked });
    return "waits";
  }
  const isThere = cycled?.purpose === "ahead" && cycled.reached !== null && cycled.sealed === null;
  return isThere ? "halts" : "waits";
}

/** What came of one that somebody waited for earlier says nothing. */
const asked = { purpose: "usual", failures: 0, reached: null } as const;

/** Told to shut down, it may still run for its grace; with the end of this it stands still for good. */
export function halt(building: Building, local: Local, graceMs: number): void {
  const op = building.op({ kind: "halt", runKey: runKey(local.run) });
  building.state = withLocal(building.state, { ...local, phase: "stopping", last: { stage: "halting" } });
  building.effects.push({ kind: "halt", op, run: local.run, graceMs });
}

/** Nobody wants it elsewhere any more. */
export function forgetAhead(building: Building, local: Local): void {
  if (local.last?.stage === "ahead") building.state = withLocal(building.state, { ...local, last: null });
}

export function halted(local: Local, end: HypervisorEnd, now: InstantMs): Local {
  if (end.kind === "done") return { ...local, last: { stage: "halted", until: later(now, limits.lastCycleMs) } };
  // Nothing was done to it: its end is begun anew.
  if (end.kind === "refused") return { ...local, phase: "running", last: null };
  // It may run, or stand still: ended in either case, whatever is wanted by now.
  return { ...local, phase: "running", last: { stage: "given-up" } };
}

export function isHalted({ phase, last }: Local): boolean {
  return phase === "stopping" && last?.stage === "halted";
}

/** Nobody knows whether its guest goes on: one that was to be halted is ended, so that nobody waits for it. True: it is. */
export function endGivenUp(building: Building, local: Local, incarnation: Incarnation): boolean {
  if (local.phase !== "running" || local.last?.stage !== "given-up" || local.run.incarnation !== incarnation)
    return false;
  end(building, local);
  return true;
}

/** Once its copy has everything, or will not get it, the run ends. */
export function settleHalted(building: Building, local: Local, incarnation: Incarnation): void {
  const { last, run } = local;
  if (last?.stage !== "halted") return;
  // One of an earlier life is claimed or ended as any other of it, and not before its device is done with (S11).
  if (run.incarnation !== incarnation) {
    building.state = withLocal(building.state, { ...local, phase: "running", last: { stage: "given-up" } });
    return;
  }
  const { view, now } = building.happened;
  const cycled = building.state.replicas.cycled.get(runKey(run));
  const to = protectionOf(view, run.vm)?.to;
  const known = to === undefined ? undefined : sealedCycle(view, run.vm, to);
  const { purpose, cycle } = cycled?.reached ?? {};
  const sealed = purpose === "last" ? cycle : undefined;
  const isMine = isNamed(view, building.state.self, run);
  if (isMine && sealed !== undefined && known !== undefined && isSameCycle(known, sealed)) {
    end(building, { ...local, last: { stage: "sealed", cycle: sealed } });
    return;
  }
  const isTried = cycled?.purpose !== "last" || cycled.failures < triesMax;
  if (isMine && isTried && now < last.until && stillSeals(building, local, to)) building.wakeAt(last.until);
  else end(building, { ...local, last: { stage: "given-up" } });
}

function stillSeals({ happened: { view } }: Building, { run }: Local, to: HostId | undefined): boolean {
  return to !== undefined && sealsLast(view, run.vm, to);
}

/** Its guest stands still already. */
function end(building: Building, local: Local): void {
  const op = building.op({ kind: "stop", runKey: runKey(local.run) });
  building.state = withLocal(building.state, { ...local, phase: "stopping" });
  building.effects.push({ kind: "stop", op, run: local.run, graceMs: 0 });
}
