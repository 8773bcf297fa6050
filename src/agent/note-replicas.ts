import { must } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { lostCycles } from "../core/replication-receiver.ts";
import { type InstantMs, later, type VmId, type WallMs } from "../model/ids.ts";
import type { HypervisorEnd, VmRun } from "../ports/hypervisor.ts";
import type { CeaseEnd, ReceiveEnd, ReplicaEvent } from "../ports/replication.ts";
import { noteLeft, noteTry, noteWhole } from "./copy-tries.ts";
import { fresh, withLocal } from "./locals.ts";
import { withoutFound } from "./note-points.ts";
import { type Mirror, newMirror, type Receiving, type ReplicaNotes, type ReplicaOp } from "./replica-state.ts";
import { type AgentEvent, type AgentOp, type AgentState, type Local, runKey } from "./state.ts";

const replicaOps: ReadonlySet<AgentOp["kind"]> = new Set<ReplicaOp>([
  ...(["receive", "cease", "attach", "begin", "go-on-alone"] as const),
  ...(["resync", "reach", "confirm", "detach", "cycle", "end-cycles", "note-alone", "forget-alone"] as const),
]);

export function isReplicaOp(kind: AgentOp["kind"]): kind is ReplicaOp {
  return replicaOps.has(kind);
}

/** A step of replication is under way for this run, or VM. */
export function isReplicaWorking(state: AgentState, key: string, except?: ReplicaOp): boolean {
  for (const { runKey: of, kind } of state.ops.values())
    if (of === key && isReplicaOp(kind) && kind !== except) return true;
  return false;
}

export function withReplicas(state: AgentState, change: Partial<ReplicaNotes>): AgentState {
  return { ...state, replicas: { ...state.replicas, ...change } };
}

export function withMirror(state: AgentState, mirror: Mirror): AgentState {
  return withReplicas(state, { mirrors: new Map(state.replicas.mirrors).set(runKey(mirror.run), mirror) });
}

function withoutMirror(state: AgentState, key: string): AgentState {
  const mirrors = new Map(state.replicas.mirrors);
  mirrors.delete(key);
  return withReplicas(state, { mirrors });
}

export function withReceiving(state: AgentState, vm: VmId, receiving: Receiving | undefined): AgentState {
  const all = new Map(state.replicas.receiving);
  if (receiving === undefined) all.delete(vm);
  else all.set(vm, receiving);
  return withReplicas(state, { receiving: all });
}

function retry(state: AgentState, key: string, at: InstantMs): AgentState {
  return withReplicas(state, { retries: new Map(state.replicas.retries).set(key, at) });
}

/** Told once: what is refused for the same cause again is no news. */
function refusedBy({ refused: before }: Receiving, end: Exclude<ReceiveEnd, { kind: "ready" }>): Receiving["refused"] {
  if (end.kind === "unknown" || end.code === before?.code) return before;
  return { code: end.code, params: end.params, told: false };
}

type News = AgentEvent & { readonly kind: "received" | "ceased" | "replica" };

export function noteReplica(state: AgentState, happened: News): AgentState {
  switch (happened.kind) {
    case "replica":
      return noteEvent(state, happened.event);
    case "received": {
      const [next, op] = withoutOp(state, happened.op);
      const vm = op.runKey.slice(receiveKey("" as VmId).length) as VmId;
      const known = next.replicas.receiving.get(vm);
      if (known === undefined) return next;
      const { end, now } = happened;
      const doors = end.kind === "ready" ? end.doors : null;
      const waitMs = doors === null ? limits.replicaRetryMs : limits.replicaLookMs;
      const isAsLeft = end.kind === "ready" && end.isAsLeft;
      const lost = end.kind === "ready" && known.inCycles ? lostCycles(known.promised, end.lastCycle) : null;
      const retryAt = later(now, waitMs);
      const refused = end.kind === "ready" ? null : refusedBy(known, end);
      const noted = withReceiving(next, vm, { ...known, refused, doors, isAsLeft, lost: lost ?? known.lost, retryAt });
      const isNew = known.doors === null && doors !== null;
      return isNew ? withoutFound(noted, vm) : noted;
    }
    case "ceased": {
      const [next, op] = withoutOp(state, happened.op);
      const { end, now } = happened;
      const isNone = end.kind === "refused" && end.code === "replica-not-received";
      // Nobody writes them, nor starts from them: that they hold no moment, or are not what they were, does not matter.
      const isForgotten = op.as === undefined && end.kind === "refused";
      const isOver = end.kind === "ceased" || isNone || isForgotten;
      if (end.kind === "refused" && !isOver && op.as !== undefined) return notToBeUsed(next, op.as, end, happened.wall);
      if (!isOver) return retry(next, op.runKey, waitFrom(now));
      const vm = op.runKey.slice(ceaseKey("" as VmId).length) as VmId;
      const ceased = new Map(next.replicas.ceased).set(vm, op.as === undefined ? "" : runKey(op.as));
      return withReplicas(withReceiving(next, vm, undefined), { ceased });
    }
  }
}

/** S21: what lies here is not what was received. A guest that is about to go on from it goes back: it never ran here (S15). */
function notToBeUsed(state: AgentState, run: VmRun, end: CeaseEnd & { kind: "refused" }, wall: WallMs): AgentState {
  const local = state.locals.get(runKey(run));
  const moving = local?.phase === "moving" ? local.moving : null;
  if (local === undefined || moving === null) return withLocal(state, notToBeStarted(run, end, wall));
  return withLocal(state, { ...local, moving: { ...moving, stage: "refused" } });
}

function notToBeStarted(run: VmRun, { code, params }: CeaseEnd & { kind: "refused" }, wall: WallMs): Local {
  const detail = `${code} ${JSON.stringify(params)}`;
  return { ...fresh(run, "gone", wall), exit: "start-failed", detail, refusal: { code, params } };
}

function waitFrom(now: InstantMs): InstantMs {
  return later(now, limits.replicaRetryMs);
}

export function receiveKey(vm: VmId): string {
  return `receive ${vm}`;
}

/** Of the run that was waited for, and came in late or could not be mirrored. */
export function triedKey(key: string): string {
  return `tried ${key}`;
}

export function ceaseKey(vm: VmId): string {
  return `cease ${vm}`;
}

export function withoutOp(state: AgentState, id: number): readonly [AgentState, AgentOp] {
  const op = must(state.ops.get(id), () => `Cannot end operation ${id}: it was never begun`);
  const ops = new Map(state.ops);
  ops.delete(id);
  return [{ ...state, ops }, op];
}

/** What was told of a relay before this agent knew of it stands. */
export function noteAttached(state: AgentState, runs: readonly VmRun[]): AgentState {
  if (state.replicas.listed && runs.every((run) => state.replicas.mirrors.has(runKey(run)))) return state;
  const mirrors = new Map(state.replicas.mirrors);
  for (const run of runs) if (!mirrors.has(runKey(run))) mirrors.set(runKey(run), newMirror(run, "unknown", null));
  return withReplicas(state, { mirrors, listed: true });
}

function noteEvent(state: AgentState, event: ReplicaEvent): AgentState {
  const key = runKey(event.run);
  const isEarly = !state.replicas.listed;
  const mirror = state.replicas.mirrors.get(key) ?? (isEarly ? newMirror(event.run, "unknown", null) : undefined);
  if (mirror === undefined) return state;
  switch (event.kind) {
    case "progress":
      return withMirror(state, { ...mirror, progress: event.progress });
    case "copied":
      return withMirror(state, { ...mirror, copied: true });
    case "waits":
      return withMirror(state, { ...mirror, waits: true });
    case "holds":
      // Another relay, which knows nothing of what was told to the one before.
      return withMirror(state, { ...mirror, told: "unknown", copied: false, confirmed: false, retryAt: null });
    case "ended":
      return withMirror(state, { ...mirror, ended: true, confirmed: false });
    case "link":
      return withMirror(state, { ...mirror, link: event.figures });
  }
}

export function noteReplicaOp(
  state: AgentState,
  op: AgentOp & { readonly kind: ReplicaOp },
  end: HypervisorEnd,
  now: InstantMs,
): AgentState {
  const mirror = state.replicas.mirrors.get(op.runKey);
  if (mirror === undefined) return state;
  if (end.kind === "refused" && end.code === "replica-not-attached")
    return retry(withoutMirror(state, op.runKey), op.runKey, waitFrom(now));
  const isDone = end.kind === "done";
  const isPrompt = op.kind === "go-on-alone" || op.kind === "confirm";
  const again = later(now, isPrompt ? limits.replicaPromptRetryMs : limits.replicaRetryMs);
  const next: Mirror = { ...mirror, retryAt: isDone ? null : again };
  switch (op.kind) {
    case "attach":
      return noteAttach(state, mirror, end, now);
    case "begin":
      return noteBegin(state, mirror, end, now);
    case "go-on-alone":
      return isDone ? noteAlone(state, next, now) : withMirror(state, next);
    case "resync":
      if (!isDone) return withMirror(state, isLost(end) ? { ...next, ended: true } : next);
      return withMirror(noteTry(state, mirror.run, now), { ...next, ...fromAnew, told: "mirror", byOrder: false });
    case "reach":
      return withMirror(state, isDone ? { ...next, reached: true } : leftInVain({ ...next, reached: false }));
    case "confirm":
      if (!isDone) return withMirror(state, isLost(end) ? { ...next, ended: true } : next);
      return noteConfirmed(state, { ...next, confirmed: mirror.told === "mirror" && !mirror.ended });
    case "detach":
      // S16: its relay may have let go by then, and acknowledge into nowhere: from here on it is only detached again.
      return isDone ? withoutMirror(state, op.runKey) : withMirror(state, { ...next, ended: true, confirmed: false });
    default:
      return state;
  }
}

const fromAnew = { waits: false, copied: false, confirmed: false, reached: false } as const;

/** How far it was before says nothing of what is lacking from here on. */
function noteAlone(before: AgentState, mirror: Mirror, now: InstantMs): AgentState {
  const { state, isNews, retryAt } = noteLeft(before, mirror.run, now);
  const progress = mirror.told === "alone" ? mirror.progress : null;
  const untold = mirror.untold || isNews;
  return withMirror(state, { ...mirror, ...fromAnew, told: "alone", untold, progress, retryAt });
}

function noteConfirmed(state: AgentState, mirror: Mirror): AgentState {
  return withMirror(mirror.confirmed ? noteWhole(state, mirror.run) : state, mirror);
}

/** Its group goes on, and its copy does not. */
export function leftInVain(mirror: Mirror): Mirror {
  return mirror.byOrder ? { ...mirror, untold: true, byOrder: false } : mirror;
}

/** What it misses is not known any more, or is more than what was noted: only all of it makes a copy (S18, S21). */
function isLost(end: HypervisorEnd): boolean {
  return end.kind === "refused" && (end.code === "replica-job-gone" || end.code === "replica-copy-other");
}

/** A relay that was replaced since it was prepared holds, and is told again once the guest goes on. */
function noteBegin(state: AgentState, mirror: Mirror, end: HypervisorEnd, now: InstantMs): AgentState {
  const key = runKey(mirror.run);
  if (end.kind === "refused") return retry(withoutMirror(state, key), triedKey(key), waitFrom(now));
  const told = end.kind === "done" && mirror.told === "prepared" ? "alone" : "unknown";
  // Nobody knows what of it is there: it is taken apart, and everything is copied.
  return withMirror(state, { ...mirror, told, begun: true, ended: end.kind !== "done" });
}

function noteAttach(before: AgentState, mirror: Mirror, end: HypervisorEnd, now: InstantMs): AgentState {
  const key = runKey(mirror.run);
  const unsent = new Map(before.replicas.unsent);
  const { run } = mirror;
  const known = unsent.get(run.vm);
  if (end.kind !== "refused" || end.code === "replica-attached") unsent.delete(run.vm);
  // The first words of one cause stay: the facts of the host would change with each attempt.
  else if (known?.code === end.code) unsent.set(run.vm, { ...known, run });
  else unsent.set(run.vm, { run, code: end.code, params: end.params });
  const state = withReplicas(before, { unsent });
  const isPrepared = state.locals.get(key)?.moving?.part === "incoming";
  if (end.kind === "done")
    return withMirror(noteTry(state, run, now), { ...mirror, told: isPrepared ? "prepared" : "mirror" });
  // There is one already, or may be: it is asked what it does.
  if (end.kind === "unknown" || end.code === "replica-attached")
    return withMirror(state, { ...mirror, told: "unknown" });
  return retry(withoutMirror(state, key), key, waitFrom(now));
}
