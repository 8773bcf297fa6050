import { backoffMs } from "../base/backoff.ts";
import { limits } from "../core/limits.ts";
import { type InstantMs, later, type VmId } from "../model/ids.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { CopyTries } from "./replica-state.ts";
import { type AgentState, runKey } from "./state.ts";

// S17: an attempt to bring a copy up to date makes the guest's writes wait for it, for the bound where it does not answer. Where
// the cause lasts, as that the copy's pool is full, each attempt is in vain: they become rare, and only the first one is news.

function triesOf(state: AgentState, run: VmRun): CopyTries {
  const known = state.replicas.tries.get(run.vm);
  return known?.run === runKey(run) ? known : { run: runKey(run), begun: 0, begunAt: null, isTold: false };
}

function withTries(state: AgentState, { vm }: VmRun, tries: CopyTries | undefined): AgentState {
  const all = new Map(state.replicas.tries);
  if (tries === undefined) all.delete(vm);
  else all.set(vm, tries);
  return { ...state, replicas: { ...state.replicas, tries: all } };
}

export function noteTry(state: AgentState, run: VmRun, now: InstantMs): AgentState {
  const tries = triesOf(state, run);
  return withTries(state, run, { ...tries, begun: tries.begun + 1, begunAt: now });
}

/** Its guest goes on without it. `retryAt`: not before this is it tried again. */
export function noteLeft(
  state: AgentState,
  run: VmRun,
  now: InstantMs,
): { readonly state: AgentState; readonly isNews: boolean; readonly retryAt: InstantMs } {
  const known = triesOf(state, run);
  // What went on for so long was not in vain: something else has come in its way.
  const wasLong = known.begunAt !== null && now - known.begunAt > limits.replicaRetryMaxMs;
  const tries = wasLong ? { ...known, begun: 0, isTold: false } : known;
  const waitMs = backoffMs(tries.begun, limits.replicaRetryMs, limits.replicaRetryMaxMs);
  return {
    state: withTries(state, run, { ...tries, isTold: true }),
    isNews: !tries.isTold,
    retryAt: later(now, waitMs),
  };
}

/** It was left behind by an order: what comes after that is news again. */
export function noteLeftByOrder(state: AgentState, run: VmRun): AgentState {
  return withTries(state, run, undefined);
}

/** It has everything. */
export function noteWhole(state: AgentState, run: VmRun): AgentState {
  return withTries(state, run, undefined);
}

/** What tells it is about this; nothing else is. */
export function leftSubject(vm: VmId): string {
  return `left ${vm}`;
}

/** The store did not take it, or nobody knows whether it did: it is told again. */
export function noteUntold(state: AgentState, subject: string): AgentState {
  const mirror = [...state.replicas.mirrors].find(([, { run }]) => leftSubject(run.vm) === subject);
  if (mirror === undefined) return state;
  const mirrors = new Map(state.replicas.mirrors).set(mirror[0], { ...mirror[1], untold: true });
  return { ...state, replicas: { ...state.replicas, mirrors } };
}
