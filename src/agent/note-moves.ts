import { must } from "../base/assert.ts";
import { backoffMs } from "../base/backoff.ts";
import { limits } from "../core/limits.ts";
import { type InstantMs, later, type VmId, type WallMs } from "../model/ids.ts";
import type { HypervisorEnd, MovePart, VmRun } from "../ports/hypervisor.ts";
import type { IncomingEnd, MoveProgress } from "../ports/migration.ts";
import { fresh, needList, partOf, withLocal } from "./locals.ts";
import {
  type AgentEvent,
  type AgentOp,
  type AgentState,
  type Arrival,
  type Local,
  type MoveOp,
  type Moving,
  runKey,
} from "./state.ts";

const moveOps: ReadonlySet<AgentOp["kind"]> = new Set<MoveOp>([
  ...(["prepare", "migrate-out", "cancel-out", "switch-over"] as const),
  ...(["complete", "abandon", "check"] as const),
]);

export function isMoveOp(kind: AgentOp["kind"]): kind is MoveOp {
  return moveOps.has(kind);
}

/** A step of a move is under way for this run. */
export function isWorking(state: AgentState, key: string, except?: MoveOp): boolean {
  for (const { runKey: of, kind } of state.ops.values()) {
    if (of === key && isMoveOp(kind) && kind !== "check" && kind !== except) return true;
  }
  return false;
}

/** The part of a copy that bears a new name: it stands still, and goes on under it. */
export function takenOver({ part }: Moving): Moving {
  return partOf(part === "arriving" ? "arriving" : "leaving", null);
}

/** What a listing says of a run that has a part in a move; what this agent knows beyond that stands. */
export function partSeen(known: Local | undefined, run: VmRun, part: MovePart, wall: WallMs): Local {
  // It was told that this one has ended, and something of it is still there.
  if (known?.phase === "unclear" && known.exit !== null) return known;
  if (known?.moving?.part === part && known.phase === "moving") return known;
  const moving = known?.moving ?? partOf(part, null);
  return { ...fresh(run, "moving", wall), stopsFailed: known?.stopsFailed ?? 0, moving: { ...moving, part } };
}

function withPhase(state: AgentState, key: string, phase: Local["phase"]): AgentState {
  const local = must(state.locals.get(key), () => `Cannot change ${key}: it is not known`);
  return withLocal(state, { ...local, phase });
}

/** Nothing of it is left. What never was let go on here has not executed. */
export function gone(local: Local, wall: WallMs): Local {
  const { part, stage } = local.moving ?? {};
  const neverRan = part === "incoming" && stage !== "tried" && stage !== "doubted";
  return { ...local, phase: "gone", moving: null, neverRan: neverRan || local.neverRan, since: wall };
}

export function noteMove(
  state: AgentState,
  happened: AgentEvent & { kind: "prepared" | "checked" | "move" },
): AgentState {
  switch (happened.kind) {
    case "prepared":
      return notePrepared(state, happened.op, happened.end, happened.wall);
    case "checked":
      return noteChecked(state, happened);
    case "move":
      if (happened.event.kind === "incoming-lost") return noteLost(state, happened.event.run, happened.wall);
      return noteProgress(state, happened.event.run, happened.event.progress, happened.now);
  }
}

function noteProgress(before: AgentState, run: VmRun, progress: MoveProgress, now: InstantMs): AgentState {
  const state = { ...before, progress: new Map(before.progress).set(run.vm, progress) };
  const local = state.locals.get(runKey(run));
  const { percent, expectedDowntimeMs } = progress;
  if (local?.phase !== "moving" || percent < 100 || expectedDowntimeMs === null) return state;
  return withMoving(state, local, { stoodSince: later(now, -expectedDowntimeMs) });
}

function noteLost(state: AgentState, run: VmRun, wall: WallMs): AgentState {
  const local = state.locals.get(runKey(run));
  if (local?.moving?.part !== "incoming") return state;
  return withLocal(state, { ...gone(local, wall), neverRan: true, exit: "killed" });
}

function withoutOp(state: AgentState, id: number): readonly [AgentState, AgentOp] {
  const op = must(state.ops.get(id), () => `Cannot end operation ${id}: it was never begun`);
  const ops = new Map(state.ops);
  ops.delete(id);
  return [{ ...state, ops }, op];
}

function notePrepared(before: AgentState, id: number, end: IncomingEnd, wall: WallMs): AgentState {
  const [state, op] = withoutOp(before, id);
  const local = state.locals.get(op.runKey);
  if (local?.phase !== "moving" || local.moving === null) return state;
  switch (end.kind) {
    case "waiting":
      return withMoving(state, local, { doors: end.doors });
    case "refused":
      return withEnd(withLocal(state, { ...gone(local, wall), exit: "killed" }), local, end);
    case "unknown":
      // Something of it may be there: it is abandoned, and the move is given up.
      return needList(withEnd(state, local, { code: "move-interrupted", params: { vm: local.run.vm } }));
  }
}

function noteChecked(before: AgentState, { op: id, health }: AgentEvent & { kind: "checked" }): AgentState {
  const [state, op] = withoutOp(before, id);
  for (const [vm, arrival] of state.arrivals) {
    if (runKey(arrival.run) === op.runKey) return withArrival(state, vm, { ...arrival, health });
  }
  return state;
}

function withArrival(state: AgentState, vm: VmId, arrival: Arrival): AgentState {
  return { ...state, arrivals: new Map(state.arrivals).set(vm, arrival) };
}

export function withMoving(state: AgentState, local: Local, change: Partial<Moving>): AgentState {
  const moving = must(local.moving, () => `Cannot go on with ${runKey(local.run)}: it has no part in a move`);
  return withLocal(state, { ...local, phase: "moving", moving: { ...moving, ...change } });
}

function withEnd(state: AgentState, { run, moving }: Local, { code, params }: Failed): AgentState {
  const of = moving?.of ?? null;
  if (of === null) return state;
  return { ...state, moveEnds: new Map(state.moveEnds).set(run.vm, { of, code, params }) };
}

type Failed = Pick<HypervisorEnd & { kind: "refused" }, "code" | "params">;

/** Nothing is there any more, whatever it did while it was. */
const isNotThere = (end: HypervisorEnd & { kind: "refused" }): boolean =>
  end.code === "vm-not-running" || end.code === "move-nothing-incoming";

export function noteMoveOp(
  state: AgentState,
  op: AgentOp & { readonly kind: MoveOp },
  end: HypervisorEnd,
  wall: WallMs,
  now: InstantMs,
): AgentState {
  const local = state.locals.get(op.runKey);
  // It has ended meanwhile, or is being ended: that decides.
  if (local?.phase !== "moving") return end.kind === "unknown" ? needList(state) : state;
  if (end.kind === "unknown") {
    const stage = op.kind === "complete" ? { stage: "tried" as const } : {};
    return needList(withMoving(state, local, { ...stage, ...unansweredAfter(state, op, local, end.cause, now) }));
  }
  if (end.kind === "refused" && isNotThere(end)) {
    const change = { ...refusedAfter(op, local), ...unansweredAfter(state, op, local, end.code, now) };
    return needList(withPhase(withMoving(state, local, change), op.runKey, "unclear"));
  }
  switch (op.kind) {
    case "migrate-out":
      if (end.kind === "done") return withMoving(state, local, { stage: "ready" });
      return withEnd(needList(withLocal(state, fresh(local.run, "running", wall))), local, end);
    case "cancel-out":
      if (end.kind === "done") return needList(withLocal(state, fresh(local.run, "running", wall)));
      return needList(withMoving(state, local, { stands: end.code, retryAt: later(now, limits.moveStuckRetryMs) }));
    case "switch-over":
      return withMoving(withPause(state, local, end, now), local, { stage: end.kind === "done" ? "over" : "refused" });
    case "complete":
      if (end.kind === "done") return arrived(state, local, wall, now);
      return withMoving(state, local, refusedAfter(op, local));
    case "abandon":
      if (end.kind === "done") return withLocal(state, { ...gone(local, wall), exit: "killed" });
      // It may have executed: it is no part of a move any more.
      return needList(withLocal(state, fresh(local.run, "running", wall)));
    default:
      return state;
  }
}

/**
 * It is tried again, with growing waits where nobody waits for it but a guest whose QEMU answers nothing; what stands for its host is
 * frozen goes on at once with that.
 */
function unansweredAfter(
  { heart }: AgentState,
  { kind }: AgentOp,
  { moving }: Local,
  cause: string,
  now: InstantMs,
): Partial<Moving> {
  const { tries = 0, unanswered = null } = moving ?? {};
  const isFrozen = heart === "lost" || heart.frozen;
  const isPrompt = kind !== "cancel-out" || isFrozen;
  const { moveStepRetryMs, moveStuckRetryMs } = limits;
  const waitMs = isPrompt ? moveStepRetryMs : backoffMs(tries, moveStepRetryMs, moveStuckRetryMs);
  const said = unanswered === null ? null : { ...unanswered, cause };
  return { tries: isFrozen ? 0 : tries + 1, unanswered: said, retryAt: later(now, waitMs) };
}

/**
 * A first refusal says that what this agent saw waiting was never let go on. Not so after an attempt without an answer: that
 * one may have been, and have ended since.
 */
function refusedAfter({ kind }: AgentOp, { moving }: Local): Partial<Moving> {
  if (kind !== "complete") return {};
  return { stage: moving?.stage === "tried" || moving?.stage === "doubted" ? "doubted" : "refused" };
}

/** Until the target has everything: it lets the guest go on at once. */
function withPause(state: AgentState, { run, moving }: Local, end: HypervisorEnd, now: InstantMs): AgentState {
  const since = moving?.stoodSince ?? null;
  if (end.kind !== "done" || since === null) return state;
  return { ...state, pauses: new Map(state.pauses).set(run.vm, now - since) };
}

/** The guest executes here from now on. */
function arrived(state: AgentState, { run, moving }: Local, wall: WallMs, now: InstantMs): AgentState {
  const tookMs = moving?.since == null ? null : now - moving.since;
  const restarts = new Map(state.restarts).set(run.vm, { count: 0, startedAt: now, counted: null });
  const next = withArrival({ ...state, restarts }, run.vm, { run, health: null, told: false, tookMs, silence: null });
  return withLocal(next, fresh(run, "running", wall));
}
