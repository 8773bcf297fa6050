import type { WallMs } from "../model/ids.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import { type AgentState, type Local, type Moving, runKey } from "./state.ts";

export function needList(state: AgentState): AgentState {
  return { ...state, listing: { ...state.listing, needed: true } };
}

export function fresh(run: VmRun, phase: Local["phase"], since: WallMs): Local {
  return {
    run,
    phase,
    exit: null,
    detail: null,
    refusal: null,
    pausedBy: [],
    stopsFailed: 0,
    since,
    moving: null,
    last: null,
    neverRan: false,
  };
}

export function withLocal(state: AgentState, local: Local): AgentState {
  return { ...state, locals: new Map(state.locals).set(runKey(local.run), local) };
}

/** A part that has just begun. */
export function partOf(part: Moving["part"], of: Moving["of"], more: Partial<Moving> = {}): Moving {
  const nothingYet = { doors: null, tls: true, stage: "begun", retryAt: null, since: null, stoodSince: null } as const;
  const goesOn = { stands: null, tries: 0, unanswered: null, silenceTold: false } as const;
  return { part, of, ...nothingYet, ...goesOn, ...more };
}
