import { must } from "../base/assert.ts";
import { type Incarnation, type InstantMs, later } from "../model/ids.ts";
import { type GuardName, type GuardSays, guardNames } from "../ports/guard.ts";
import { heartLimits } from "./limits.ts";
import { type GuardView, type GuardViews, type HeartEffect, type HeartState, type HeartStep, stay } from "./state.ts";

/** S4: everything that permits or ends running goes to both guards. */
export function freezeBoth(state: HeartState): HeartStep {
  const effects = guardNames
    .filter((name) => state.guards[name].kind === "here")
    .map((name): HeartEffect => ({ kind: "guard", name, command: { kind: "freeze" } }));
  return { state, effects };
}

/** Tells `incarnation` to each guard that has not acknowledged it on this connection, again after a refusal. */
export function askGuards(state: HeartState, incarnation: Incarnation, at: InstantMs): HeartStep {
  const effects: HeartEffect[] = [];
  let guards = state.guards;
  for (const name of guardNames) {
    const view = guards[name];
    if (view.kind === "away" || !isToBeAsked(view, incarnation, at)) continue;
    guards = { ...guards, [name]: { ...view, answer: { kind: "asked", incarnation, at } } };
    effects.push({ kind: "guard", name, command: { kind: "incarnation", incarnation } });
  }
  return guards === state.guards ? stay(state) : { state: { ...state, guards }, effects };
}

function isToBeAsked(view: Extract<GuardView, { kind: "here" }>, incarnation: Incarnation, at: InstantMs): boolean {
  const { answer } = view;
  if (answer.kind === "none" || answer.incarnation !== incarnation) return true;
  if (answer.kind === "ready") return false;
  const patienceMs = answer.kind === "failed" ? heartLimits.retryMs : heartLimits.answerTimeoutMs;
  return at >= later(answer.at, patienceMs);
}

/** S4: both have acknowledged the incarnation on their present connections. */
export function bothReady(guards: GuardViews, incarnation: Incarnation): boolean {
  return readyLeftovers(guards.a, incarnation) !== undefined && readyLeftovers(guards.b, incarnation) !== undefined;
}

export function bothHere(guards: GuardViews): boolean {
  return guards.a.kind === "here" && guards.b.kind === "here";
}

/** The highest incarnation that a guard has heard of; 0: none. A number is never used twice for two registrations. */
export function knownIncarnation(guards: GuardViews): number {
  return Math.max(0, ...guardNames.map((name) => knownBy(guards[name])));
}

function knownBy(view: GuardView): number {
  if (view.kind === "away") return 0;
  return Math.max(view.known ?? 0, view.answer.kind === "none" ? 0 : view.answer.incarnation);
}

/** How many folders of other incarnations still hold processes, as both guards agree that they stand still. */
export function leftovers(guards: GuardViews, incarnation: Incarnation): number {
  const counts = guardNames.map((name) =>
    must(readyLeftovers(guards[name], incarnation), () => `Cannot count leftovers: guard ${name} is not ready`),
  );
  return Math.max(...counts);
}

function readyLeftovers(view: GuardView, incarnation: Incarnation): number | undefined {
  if (view.kind === "away" || view.answer.kind !== "ready" || view.answer.incarnation !== incarnation) return undefined;
  return view.answer.leftovers;
}

/** One guard that holds them is enough for the VMs to stand still. */
export function anyFrozen(guards: GuardViews): boolean {
  return isFrozen(guards.a) || isFrozen(guards.b);
}

function isFrozen(view: GuardView): boolean {
  return view.kind === "here" && view.frozen;
}

/** Brings the view of one guard up to what it says. Whether that moves a heartbeat on is beating.ts's business. */
export function hearGuard(state: HeartState, name: GuardName, says: GuardSays, at: InstantMs): HeartStep {
  const lastSession = says.kind === "hello" ? state.lastSession + 1 : state.lastSession;
  const view = nextView(state.guards[name], says, lastSession, at);
  // Most of what a guard says with each beat changes nothing.
  if (view === state.guards[name] && lastSession === state.lastSession) return stay(state);
  return stay({ ...state, lastSession, guards: { ...state.guards, [name]: view } });
}

function nextView(view: GuardView, says: GuardSays, session: number, at: InstantMs): GuardView {
  if (says.kind === "lost") return { kind: "away" };
  if (says.kind === "hello") {
    return {
      kind: "here",
      session,
      deadlineMs: says.deadlineMs,
      marginMs: says.marginMs,
      known: says.incarnation,
      frozen: says.frozen,
      verified: true,
      answer: { kind: "none" },
    };
  }
  if (view.kind === "away") return view;
  switch (says.kind) {
    case "incarnation":
      return afterIncarnation(view, says, at);
    case "frozen":
      return { ...view, frozen: true, verified: says.verified };
    case "thawed":
    case "deadline":
      return view.frozen || !view.verified ? { ...view, frozen: false, verified: true } : view;
    case "stamped":
    case "late":
      return view;
  }
}

function afterIncarnation(
  view: Extract<GuardView, { kind: "here" }>,
  says: Extract<GuardSays, { kind: "incarnation" }>,
  at: InstantMs,
): GuardView {
  const { incarnation } = says;
  if (view.answer.kind !== "asked" || view.answer.incarnation !== incarnation) return view;
  if (!says.ok) return { ...view, answer: { kind: "failed", incarnation, at } };
  return { ...view, answer: { kind: "ready", incarnation, leftovers: says.leftovers } };
}
