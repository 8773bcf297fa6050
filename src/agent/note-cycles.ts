import { limits } from "../core/limits.ts";
import { type InstantMs, later } from "../model/ids.ts";
import type { HypervisorEnd, VmRun } from "../ports/hypervisor.ts";
import { withoutOp, withReplicas } from "./note-replicas.ts";
import { type Cycled, newCycled } from "./replica-state.ts";
import { type AgentEvent, type AgentState, runKey } from "./state.ts";

export function withCycled(state: AgentState, cycled: Cycled): AgentState {
  return withReplicas(state, { cycled: new Map(state.replicas.cycled).set(runKey(cycled.run), cycled) });
}

export function withoutCycled(state: AgentState, key: string): AgentState {
  const cycled = new Map(state.replicas.cycled);
  cycled.delete(key);
  return withReplicas(state, { cycled });
}

/** What an earlier agent began: its last cycle comes to nothing, and what is left of it is there. */
export function noteFound(state: AgentState, runs: readonly VmRun[]): AgentState {
  let next = state;
  for (const run of runs) if (!next.replicas.cycled.has(runKey(run))) next = withCycled(next, newCycled(run));
  return next;
}

/** An `unknown` one may be sealed: the next one finds out, and what is recorded is what is known (S25). */
export function noteCycle(state: AgentState, happened: AgentEvent & { kind: "cycled" }): AgentState {
  const [next, op] = withoutOp(state, happened.op);
  const known = next.replicas.cycled.get(op.runKey);
  if (known === undefined) return next;
  const { end, now } = happened;
  const ended = { ...known, stage: "idle", endedAt: now } as const;
  if (end.kind === "sealed") {
    const reached = { purpose: known.purpose, cycle: end.cycle };
    return withCycled(next, { ...ended, failures: 0, why: "", sealed: end.cycle, reached });
  }
  const why = end.kind === "unknown" ? end.cause : String(end.params["detail"] ?? end.code);
  return withCycled(next, { ...ended, failures: known.failures + 1, why });
}

export function noteCyclesEnded(state: AgentState, key: string, end: HypervisorEnd, now: InstantMs): AgentState {
  const known = state.replicas.cycled.get(key);
  if (known === undefined) return state;
  if (end.kind === "done") return withCycled(state, { ...newCycled(known.run), stage: "ended" });
  const retries = new Map(state.replicas.retries).set(key, later(now, limits.replicaRetryMs));
  return withReplicas(withCycled(state, { ...known, stage: "idle" }), { retries });
}
