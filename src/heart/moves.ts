import { type HostId, type InstantMs, later, type StoreKey } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { freezeBoth } from "./guards.ts";
import { heartLimits } from "./limits.ts";
import type { Found, HeartState, HeartStep, Phase, Question, Trouble } from "./state.ts";

export type Looking = Extract<Phase, { kind: "looking" }>;

/** Rests until `dueAt`, then looks at the store again. */
export function rest(state: HeartState, trouble: Trouble | null, dueAt: InstantMs): HeartStep {
  return { state: { ...state, phase: { kind: "idle", trouble, dueAt } }, effects: [] };
}

/** For good: nothing that this process could do by itself is safe any more. */
export function giveUp(state: HeartState, trouble: Trouble): HeartStep {
  return freezeBoth({ ...state, phase: { kind: "refused", trouble } });
}

/** Reads one key. What the state said of it before counts for nothing: decisions rest on what is read here (S1). */
export function look(state: HeartState, question: Question, found: Found, at: InstantMs): HeartStep {
  const ticket = state.lastTicket + 1;
  const phase: Looking = {
    kind: "looking",
    question,
    found,
    ticket,
    dueAt: later(at, heartLimits.answerTimeoutMs),
    trouble: "trouble" in state.phase ? state.phase.trouble : null,
  };
  return {
    state: { ...state, lastTicket: ticket, phase },
    effects: [{ kind: "snapshot", ticket, prefix: keyOf(state.config.host, question, found) }],
  };
}

export function keyOf(host: HostId, question: Question, found: Found): StoreKey {
  if (found === null || question === "host") return keys.host(host);
  const { incarnation } = found.value;
  return question === "fence" ? keys.fence(host, incarnation) : keys.heartbeat(host, incarnation);
}
