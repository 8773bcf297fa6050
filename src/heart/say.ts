import { type InstantMs, later } from "../model/ids.ts";
import type { HeartSays } from "../ports/heart.ts";
import { anyFrozen, bothHere, bothReady } from "./guards.ts";
import { heartLimits } from "./limits.ts";
import { type GuardView, type HeartState, type HeartStep, type Phase, stay, type Trouble } from "./state.ts";

/** What the agent hears: on each change, and again every `tellMs`. */
export function tell(state: HeartState, at: InstantMs): HeartStep {
  const says = wordOf(state, at);
  const { told } = state;
  if (told !== null && same(told.says, says) && at < later(told.at, heartLimits.tellMs)) return stay(state);
  return { state: { ...state, told: { says, at } }, effects: [{ kind: "tell-agent", says }] };
}

function same(a: HeartSays, b: HeartSays): boolean {
  return (
    a.phase === b.phase &&
    a.incarnation === b.incarnation &&
    a.nonce === b.nonce &&
    a.frozen === b.frozen &&
    a.trouble === b.trouble
  );
}

function wordOf(state: HeartState, at: InstantMs): HeartSays {
  const { phase } = state;
  // A number counts from its commit on: before it, no VM may be started under it.
  return {
    phase: phaseName(state),
    incarnation: state.registered?.incarnation ?? null,
    nonce: state.registered?.nonce ?? null,
    frozen: anyFrozen(state.guards),
    trouble: troubleOf(state, phase, at),
  };
}

function phaseName(state: HeartState): HeartSays["phase"] {
  switch (state.phase.kind) {
    case "idle":
    case "looking":
      return state.fenced === null ? "waiting" : "fenced";
    case "registering":
    case "beating":
    case "refused":
      return state.phase.kind;
  }
}

function troubleOf(state: HeartState, phase: Phase, at: InstantMs): Trouble | null {
  switch (phase.kind) {
    case "refused":
      return phase.trouble;
    case "idle":
    case "looking":
      return phase.trouble ?? (state.fenced === null ? null : "heart-fenced");
    case "registering":
      return phase.stage === "guards" ? guardTrouble(state) : null;
    case "beating": {
      if (!bothReady(state.guards, phase.own.incarnation)) return guardTrouble(state);
      const silentMs = phase.unansweredSince === null ? 0 : at - phase.unansweredSince;
      // Two beats without a commit are no trouble yet; four are.
      return silentMs > 4 * state.config.heartbeatMs ? "heart-store-silent" : guardTrouble(state);
    }
  }
}

function guardTrouble(state: HeartState): Trouble | null {
  if (!bothHere(state.guards)) return "heart-guard-away";
  const { a, b } = state.guards;
  if (refuses(a) || refuses(b)) return "heart-guard-refuses";
  return isUnverified(a) || isUnverified(b) ? "heart-freeze-unverified" : null;
}

function refuses(view: GuardView): boolean {
  return view.kind === "here" && view.answer.kind === "failed";
}

function isUnverified(view: GuardView): boolean {
  return view.kind === "here" && view.frozen && !view.verified;
}
