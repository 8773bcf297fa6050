import { must } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { type InstantMs, later, type StoreKey, type WallMs } from "../model/ids.ts";
import type { HypervisorEnd, RunningVm, VmEvent, VmRun } from "../ports/hypervisor.ts";
import { noteAlone, noteNotes } from "./alone.ts";
import { halted } from "./last-cycle.ts";
import { fresh, needList, withLocal } from "./locals.ts";
import { noteCycle, noteCyclesEnded, noteFound } from "./note-cycles.ts";
import { gone, isMoveOp, isWorking, noteMove, noteMoveOp, partSeen, takenOver } from "./note-moves.ts";
import { isPointOp, notePoint, notePointOp } from "./note-points.ts";
import { isReplicaOp, noteAttached, noteReplica, noteReplicaOp } from "./note-replicas.ts";
import { noteSilent } from "./silent.ts";
import { noteHistory, noteStillness, noteTold } from "./standstill.ts";
import { type AgentEvent, type AgentOp, type AgentState, type ImageEnd, type Local, runKey } from "./state.ts";
import { noteBeats } from "./target-beats.ts";
import { noteMeasurement } from "./usage.ts";

/** Takes in what an event tells; decides nothing. */
export function note(state: AgentState, happened: AgentEvent): AgentState {
  switch (happened.kind) {
    case "synced":
      return state.synced ? state : { ...state, synced: true, syncedRevision: happened.view.revision };
    case "changed":
      return noteBeats(noteHistory(state, happened.touched), happened.view, happened.touched, happened.now);
    case "woke":
      return state;
    case "heart":
      return noteStillness(noteHeart(state, happened.says), happened);
    case "vm":
      return noteVm(state, happened.event, happened.wall);
    case "listed":
      return noteFound(
        noteAttached(
          noteNotes(noteSilent(noteList(state, happened.runs, happened.wall), happened), happened),
          happened.attached,
        ),
        happened.cycled ?? [],
      );
    case "op-ended":
      return noteOp(state, happened.op, happened.end, happened);
    case "prepared":
    case "checked":
    case "move":
      return noteMove(state, happened);
    case "received":
    case "ceased":
    case "replica":
      return noteReplica(state, happened);
    case "cycled":
      return noteCycle(state, happened);
    case "point-taken":
    case "points-listed":
    case "point-exported":
    case "point-proven":
      return notePoint(state, happened);
    case "commit-ended":
      return noteCommit(noteTold(state, happened), happened);
    case "read":
      return { ...state, reading: happened.reading, readAt: happened.now, readRunning: false };
    case "measured":
      return { ...state, measuring: noteMeasurement(state.measuring, happened) };
  }
}

/** A new incarnation changes what may run: look afresh at what there is. */
function noteHeart(state: AgentState, says: AgentState["heart"]): AgentState {
  const before = state.heart === "lost" ? null : state.heart.incarnation;
  const after = says === "lost" ? null : says.incarnation;
  const changed = after !== null && after !== before;
  return changed ? needList({ ...state, heart: says }) : { ...state, heart: says };
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

/**
 * What really runs replaces what was believed, but only where nothing happened since the question: a run that started
 * meanwhile is not in the answer and yet lives, one that ended meanwhile is in it and yet is gone (S14).
 */
function noteList(state: AgentState, runs: readonly RunningVm[], wall: WallMs): AgentState {
  const { asked } = state.listing;
  const locals = new Map(state.locals);
  const untouched = (key: string) => asked?.locals.get(key) === state.locals.get(key);
  const listed = new Set<string>();
  const works = (key: string) => isWorking(state, key);
  for (const { run, state: seen, move } of runs) {
    const key = runKey(run);
    listed.add(key);
    const known = state.locals.get(key);
    if (!untouched(key) || works(key) || (known !== undefined && isBusy(known))) continue;
    const part = move === undefined ? undefined : partSeen(known, run, move, wall);
    locals.set(key, part ?? afterList(known, run, seen, wall));
  }
  for (const [key, local] of state.locals) {
    if (listed.has(key) || isBusy(local) || local.phase === "gone" || !untouched(key) || works(key)) continue;
    locals.set(key, { ...gone(local, wall), exit: local.exit ?? "killed" });
  }
  return { ...state, locals, listing: { ...state.listing, asked: undefined } };
}

function afterList(known: Local | undefined, run: VmRun, seen: RunningVm["state"], wall: WallMs): Local {
  // It was told that this one has ended, and something of it is still there: it is to be cleared away.
  if (known?.phase === "unclear" && known.exit !== null) return known;
  // One that cannot answer now has not changed by that.
  const silent = seen === "frozen" || seen === "unresponsive";
  if (silent && (known?.phase === "running" || known?.phase === "paused")) return known;
  // A part that it has no more ended with its guest here.
  const phase = seen === "paused" && known?.phase !== "moving" ? "paused" : "running";
  return known?.phase === phase ? known : { ...fresh(run, phase, wall), stopsFailed: known?.stopsFailed ?? 0 };
}

function noteOp(state: AgentState, id: number, end: HypervisorEnd, happened: AgentEvent): AgentState {
  const { wall, now } = happened;
  const op = must(state.ops.get(id), () => `Cannot end operation ${id}: it was never begun`);
  const ops = new Map(state.ops);
  ops.delete(id);
  const next = { ...state, ops };
  if (op.kind === "remove-image") return noteImage(next, op.runKey as StoreKey, end, now);
  const local = state.locals.get(op.runKey);
  if (op.kind === "end-cycles") return noteCyclesEnded(next, op.runKey, end, now);
  if (op.kind === "note-alone" || op.kind === "forget-alone") return noteAlone(next, op, end, now);
  if (isReplicaOp(op.kind)) return noteReplicaOp(next, { ...op, kind: op.kind }, end, now);
  if (isPointOp(op.kind)) return notePointOp(next, op, end, happened);
  if (isMoveOp(op.kind)) return noteMoveOp(next, { ...op, kind: op.kind }, end, wall, now);
  if (local === undefined || op.kind === "reset") return next;
  if (op.kind === "halt") return withLocal(next, halted(local, end, now));
  if (end.kind === "unknown") return needList(withLocal(next, unclear(local, op)));
  return end.kind === "done" ? noteDone(next, op, local, wall) : noteRefused(next, op, local, end, wall);
}

/** Told once for each cause; what is in use, or has no answer, is tried again without a word. */
function awayOf({ away }: ImageEnd, end: HypervisorEnd): ImageEnd["away"] {
  if (end.kind === "unknown") return away;
  if (end.kind === "done" || !end.code.startsWith("pool-")) return null;
  return { code: end.code, params: end.params, told: away?.code === end.code && away.told };
}

function noteImage(state: AgentState, key: StoreKey, end: HypervisorEnd, now: InstantMs): AgentState {
  const known = state.imageEnds.get(key);
  if (known === undefined) return state;
  const isOther = end.kind === "refused" && end.code === "volume-not-of-move";
  const stage = end.kind === "done" ? "removed" : isOther ? "other" : "failed";
  const retryAt = stage === "failed" ? later(now, limits.imageRetryMs) : null;
  return {
    ...state,
    imageEnds: new Map(state.imageEnds).set(key, { ...known, stage, retryAt, away: awayOf(known, end) }),
  };
}

function unclear(local: Local, op: AgentOp): Local {
  return {
    ...local,
    phase: "unclear",
    stopsFailed: local.stopsFailed + (op.kind === "stop" || op.kind === "kill" ? 1 : 0),
  };
}

function noteDone(state: AgentState, op: AgentOp, local: Local, wall: WallMs): AgentState {
  switch (op.kind) {
    case "start":
      return withLocal(state, { ...local, phase: local.exit === null ? "running" : "unclear", since: wall });
    case "stop":
    case "kill":
      return withLocal(state, { ...local, phase: "gone", moving: null, since: wall });
    case "adopt": {
      const as = must(op.as, "Cannot end an adoption: it has no new run");
      const locals = new Map(state.locals);
      locals.delete(op.runKey);
      const moving = local.moving === null ? null : takenOver(local.moving);
      // Whoever stands still for good does so under each of its names (S25).
      const last = local.last?.stage === "given-up" ? local.last : null;
      const next = { ...fresh(as, moving === null ? "running" : "moving", wall), moving, last };
      return withLocal({ ...state, locals }, next);
    }
    default:
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
    const refusal = { code: end.code, params: end.params };
    return withLocal(state, { ...local, phase: "gone", exit: "start-failed", detail, refusal, since: wall });
  }
  return needList(withLocal(state, unclear(local, op)));
}

function noteCommit(state: AgentState, happened: AgentEvent & { kind: "commit-ended" }): AgentState {
  const ended = state.pending.get(happened.id);
  if (ended === undefined) return state;
  const { end, now } = happened;
  const pending = new Map(state.pending);
  if (end.kind === "unknown") {
    pending.set(happened.id, { ...ended, until: { kind: "unclear", freeAt: later(now, limits.tickMs) } });
  } else if (end.kind === "too-large") {
    pending.set(happened.id, { ...ended, until: { kind: "unclear", freeAt: later(now, limits.tooLargeRetryMs) } });
  } else pending.set(happened.id, { ...ended, until: { kind: "answered", revision: end.revision } });
  return { ...state, pending };
}
