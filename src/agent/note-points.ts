import { must } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { groupOf } from "../core/replication-duty.ts";
import { type HostId, type IntentId, later, type VmId, type WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { PointProof } from "../model/point-proof.ts";
import { refuse } from "../model/reason.ts";
import type { Intent } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import type { HypervisorEnd } from "../ports/hypervisor.ts";
import type { PointEnd } from "../ports/replication-points.ts";
import { nameOf } from "./move-parts.ts";
import type { PointNews, PointNotes, PointOp, PointPart } from "./point-state.ts";
import type { AgentEvent, AgentOp, AgentState } from "./state.ts";

const pointOps: ReadonlySet<AgentOp["kind"]> = new Set<PointOp>([
  ...(["take-point", "list-points", "drop-point", "export-point", "prove-point"] as const),
]);

export function isPointOp(kind: AgentOp["kind"]): kind is PointOp {
  return pointOps.has(kind);
}

export function withPoints(state: AgentState, change: Partial<PointNotes>): AgentState {
  return { ...state, points: { ...state.points, ...change } };
}

/** A step of one of these kinds is under way for the VM. */
export function isPointWorking(state: AgentState, vm: VmId, kinds: readonly PointOp[]): boolean {
  for (const { kind, about } of state.ops.values())
    if (about?.vm === vm && kinds.some((one) => one === kind)) return true;
  return false;
}

/** These stay until what their test came to is on record: it stands with them. */
export function testedPoints({ ops, points }: Pick<AgentState, "ops" | "points">, vm: VmId): ReadonlySet<string> {
  const tested = [...ops.values()].flatMap(({ kind, about }) =>
    kind === "prove-point" && about?.vm === vm ? about.point : [],
  );
  const ended = points.proofs.get(vm)?.point;
  return new Set(ended === undefined ? tested : [...tested, ended]);
}

/** The VM's copies are received here anew: what was found, or is being asked, is of a time when nothing could be seen. */
export function withoutFound(state: AgentState, vm: VmId): AgentState {
  const { found, askAt, asked } = state.points;
  const without = <V>(all: ReadonlyMap<VmId, V>) => new Map([...all].filter(([of]) => of !== vm));
  return withPoints(state, { found: without(found), askAt: without(askAt), asked: without(asked) });
}

/** Some step is under way for this wish, or its answer is known. */
export function isWishTaken(state: AgentState, id: IntentId): boolean {
  if (state.points.answers.has(id)) return true;
  return [...state.ops.values()].some(({ intent }) => intent === id);
}

export function withAnswer(state: AgentState, id: IntentId | undefined, answer: Intent["answer"]): AgentState {
  if (id === undefined) return state;
  return withPoints(state, { answers: new Map(state.points.answers).set(id, answer) });
}

type Happened = AgentEvent & PointNews;

export function notePoint(state: AgentState, happened: Happened): AgentState {
  const op = must(state.ops.get(happened.op), () => `Cannot end operation ${happened.op}: it was never begun`);
  const about = must(op.about, () => `Cannot end operation ${happened.op}: it is about no point`);
  const ops = new Map(state.ops);
  ops.delete(happened.op);
  const next = { ...state, ops };
  const { wall, now } = happened;
  switch (happened.kind) {
    case "point-taken":
      return noteTaken(next, { ...op, about }, happened.end, happened);
    case "points-listed": {
      const { found, askAt, asked } = state.points;
      const revision = asked.get(about.vm);
      if (revision === undefined) return next;
      const answer = { points: happened.points, asked: revision };
      return withPoints(next, {
        found: new Map(found).set(about.vm, answer),
        askAt: new Map(askAt).set(about.vm, later(now, limits.pointLookMs)),
      });
    }
    case "point-exported":
      return withAnswer(next, op.intent, answerOf(happened.end, wall));
    case "point-proven": {
      const { end } = happened;
      const answered = withAnswer(
        next,
        op.intent,
        answerOf(end.kind === "ended" ? provenEnd(state, end, happened) : end, wall),
      );
      // The point that was tested may be gone by the time its record would tell of the test, and is where one replaces the other.
      const everyMs = groupOf(happened.view, about.vm)?.points?.test?.everyMs ?? limits.proofRetryMs;
      const nextAt = later(now, end.kind === "ended" ? everyMs : limits.proofRetryMs);
      const testsFrom = new Map(answered.points.testsFrom).set(about.vm, nextAt);
      if (end.kind !== "ended") return withPoints(answered, { testsFrom });
      return withPoints(answered, {
        testsFrom,
        proofs: new Map(answered.points.proofs).set(about.vm, agedBy(about, end.proof)),
      });
    }
  }
}

/** What a return to it would have lost is known also where the point is gone. */
function agedBy({ at }: PointPart, proof: PointProof): PointProof {
  return at === undefined ? proof : { ...proof, rpoMs: Math.max(0, proof.at - at) };
}

/** It stands with its point; where that is gone, a failure is at least the answer to whoever asked. */
function provenEnd(
  { self, ops }: AgentState,
  { proof }: { readonly proof: PointProof },
  { view, op }: Happened,
): HypervisorEnd {
  const vm = ops.get(op)?.about?.vm;
  if (vm === undefined || proof.passed || view.points.has(keys.point(vm, proof.point))) return { kind: "done" };
  return refuse("point-test-failed", proofParams(view, vm, proof, self));
}

/** For the words about it. */
export function proofParams(view: ClusterView, vm: VmId, { point, tookMs, checks }: PointProof, self: HostId) {
  const failed = checks.filter(({ passed }) => !passed).map(({ kind, detail }) => `${kind}: ${detail}`);
  return { vm: nameOf(view, vm), point, host: self, tookMs, detail: failed.join("; ") };
}

function noteTaken(
  state: AgentState,
  op: AgentOp & { readonly about: PointPart },
  end: PointEnd,
  { wall, now }: Happened,
): AgentState {
  const { vm, draft, keeps } = op.about;
  const answered = withAnswer(state, op.intent, answerOf(end.kind === "taken" ? { kind: "done" } : end, wall));
  if (end.kind !== "taken") {
    const again = later(now, keeps === undefined ? limits.pointRetryMs : limits.replicaRetryMs);
    const detail = end.kind === "refused" ? String(end.params["detail"] ?? end.code) : end.cause;
    const { unkept } = answered.points;
    return withPoints(answered, {
      retries: new Map(answered.points.retries).set(vm, again),
      ...(keeps === undefined || unkept.get(vm) === "" ? {} : { unkept: new Map(unkept).set(vm, detail) }),
    });
  }
  const { taken, kept, unkept } = answered.points;
  const told = new Map(unkept);
  told.delete(vm);
  const { at, consistency, whyCrash } = end;
  const why = whyCrash === undefined ? {} : { whyCrash };
  const point = draft === undefined ? undefined : { ...draft, at, consistency, ...why };
  return withPoints(answered, {
    ...(point === undefined ? {} : { taken: new Map(taken).set(vm, point) }),
    ...(keeps === undefined ? {} : { kept: new Map(kept).set(vm, keeps), unkept: told }),
  });
}

/** The end of a drop: what lies here is looked at afresh. */
export function notePointOp(state: AgentState, op: AgentOp, end: HypervisorEnd, happened: AgentEvent): AgentState {
  const vm = op.about?.vm;
  if (vm === undefined) return state;
  const askAt = new Map(state.points.askAt);
  if (end.kind === "done") askAt.delete(vm);
  else askAt.set(vm, later(happened.now, limits.pointRetryMs));
  return withAnswer(withPoints(state, { askAt }), op.intent, answerOf(end, happened.wall));
}

function answerOf(end: HypervisorEnd | { readonly kind: "exported" }, at: WallMs): Intent["answer"] {
  if (end.kind === "refused") return { kind: "refused", code: end.code, params: end.params, at };
  if (end.kind === "unknown") return { kind: "refused", code: "point-unclear", params: { detail: end.cause }, at };
  return { kind: "done", at };
}
