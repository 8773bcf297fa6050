import { must } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { later, type WallMs } from "../model/ids.ts";
import type { HypervisorEnd, RunningVm, VmEvent, VmRun } from "../ports/hypervisor.ts";
import { type AgentEvent, type AgentOp, type AgentState, type Local, runKey } from "./state.ts";

/** Takes in what an event tells; decides nothing. */
export function note(state: AgentState, happened: AgentEvent): AgentState {
  switch (happened.kind) {
    case "synced":
      return state.synced ? state : { ...state, synced: true, syncedRevision: happened.view.revision };
    case "changed":
    case "woke":
      return state;
    case "heart":
      return noteHeart(state, happened.says);
    case "vm":
      return noteVm(state, happened.event, happened.wall);
    case "listed":
      return noteList(state, happened.runs, happened.wall);
    case "op-ended":
      return noteOp(state, happened.op, happened.end, happened.wall);
    case "commit-ended":
      return noteCommit(state, happened);
    case "read":
      return { ...state, reading: happened.reading, readAt: happened.now, readRunning: false };
  }
}

/** A new incarnation changes what may run: look afresh at what there is. */
function noteHeart(state: AgentState, says: AgentState["heart"]): AgentState {
  const before = state.heart === "lost" ? null : state.heart.incarnation;
  const after = says === "lost" ? null : says.incarnation;
  const changed = after !== null && after !== before;
  return { ...state, heart: says, listing: changed ? "wanted" : state.listing };
}

export function fresh(run: VmRun, phase: Local["phase"], since: WallMs): Local {
  return { run, phase, exit: null, detail: null, pausedBy: [], since };
}

export function withLocal(state: AgentState, local: Local): AgentState {
  return { ...state, locals: new Map(state.locals).set(runKey(local.run), local) };
}

function noteVm(state: AgentState, told: VmEvent, wall: WallMs): AgentState {
  const local = state.locals.get(runKey(told.run));
  if (local === undefined || local.phase === "gone") return state;
  switch (told.kind) {
    case "exited":
      // While an operation is under way its end decides; the exit is kept for the report.
      return withLocal(state, {
        ...local,
        phase: isBusy(local) ? local.phase : "unclear",
        exit: told.exit,
        detail: told.detail,
        since: wall,
      });
    case "paused":
      if (local.phase !== "running" && local.phase !== "paused") return state;
      return withLocal(state, { ...local, phase: "paused", pausedBy: [...local.pausedBy, told.by], since: wall });
    case "resumed":
      return local.phase === "paused"
        ? withLocal(state, { ...local, phase: "running", pausedBy: [], since: wall })
        : state;
    case "guest-rebooted":
      return state;
  }
}

function isBusy(local: Local): boolean {
  return ["starting", "stopping", "killing", "adopting"].includes(local.phase);
}

/** What really runs replaces what was believed; operations under way speak for themselves when they end. */
function noteList(state: AgentState, runs: readonly RunningVm[], wall: WallMs): AgentState {
  const locals = new Map<string, Local>();
  for (const [key, local] of state.locals) if (isBusy(local) || local.phase === "gone") locals.set(key, local);
  for (const { run, state: seen } of runs) {
    const key = runKey(run);
    const known = state.locals.get(key);
    if (known !== undefined && isBusy(known)) continue;
    const phase = seen === "paused" ? "paused" : "running";
    locals.set(key, known?.phase === phase ? known : fresh(run, phase, wall));
  }
  for (const [key, local] of state.locals) {
    if (!locals.has(key)) locals.set(key, { ...local, phase: "gone", exit: local.exit ?? "killed", since: wall });
  }
  return { ...state, locals, listing: "done" };
}

function noteOp(state: AgentState, id: number, end: HypervisorEnd, wall: WallMs): AgentState {
  const op = must(state.ops.get(id), () => `Cannot end operation ${id}: it was never begun`);
  const ops = new Map(state.ops);
  ops.delete(id);
  const next = { ...state, ops };
  const local = state.locals.get(op.runKey);
  if (local === undefined || op.kind === "reset") return next;
  if (end.kind === "unknown") return { ...withLocal(next, { ...local, phase: "unclear" }), listing: "wanted" };
  return end.kind === "done" ? noteDone(next, op, local, wall) : noteRefused(next, op, local, end, wall);
}

function noteDone(state: AgentState, op: AgentOp, local: Local, wall: WallMs): AgentState {
  switch (op.kind) {
    case "start":
      return withLocal(state, { ...local, phase: local.exit === null ? "running" : "unclear", since: wall });
    case "stop":
    case "kill":
      return withLocal(state, { ...local, phase: "gone", since: wall });
    case "adopt": {
      const as = must(op.as, "Cannot end an adoption: it has no new run");
      const locals = new Map(state.locals);
      locals.delete(op.runKey);
      return withLocal({ ...state, locals }, fresh(as, "running", wall));
    }
    case "reset":
      return state;
  }
}

function noteRefused(
  state: AgentState,
  op: AgentOp,
  local: Local,
  end: HypervisorEnd & { kind: "refused" },
  wall: WallMs,
): AgentState {
  if (op.kind === "start") {
    const detail = `${end.code} ${JSON.stringify(end.params)}`;
    return withLocal(state, { ...local, phase: "gone", exit: "start-failed", detail, since: wall });
  }
  return { ...withLocal(state, { ...local, phase: "unclear" }), listing: "wanted" };
}

function noteCommit(state: AgentState, happened: AgentEvent & { kind: "commit-ended" }): AgentState {
  const ended = state.pending.get(happened.id);
  if (ended === undefined) return state;
  const { end, now } = happened;
  const pending = new Map(state.pending);
  if (end.kind === "unknown") {
    pending.set(happened.id, { ...ended, until: { kind: "unclear", freeAt: later(now, limits.tickMs) } });
  } else pending.set(happened.id, { ...ended, until: { kind: "answered", revision: end.revision } });
  return { ...state, pending };
}
