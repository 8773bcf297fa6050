import { assert } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { put, stillIn, transaction } from "../core/transactions.ts";
import { type InstantMs, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Heartbeat, HostRegistration } from "../model/records.ts";
import type { CommitEnd, Transaction } from "../model/transaction.ts";
import type { Stored } from "../model/view.ts";
import { type GuardName, type GuardSays, guardNames } from "../ports/guard.ts";
import type { SnapshotEnd } from "../ports/store.ts";
import { anyFrozen, askGuards, bothReady, freezeBoth } from "./guards.ts";
import { heartLimits } from "./limits.ts";
import { giveUp, look } from "./moves.ts";
import type { GuardView, HeartEffect, HeartState, HeartStep, InFlight, Phase, Stamping } from "./state.ts";
import { andThen } from "./state.ts";

type Beating = Extract<Phase, { kind: "beating" }>;

export function startBeating(state: HeartState, registration: Stored<HostRegistration>, at: InstantMs): HeartStep {
  const { incarnation, nonce } = registration.value;
  assert(
    state.own?.incarnation === incarnation && state.own.nonce === nonce,
    () => `Cannot beat as incarnation ${incarnation}: this boot did not register it`,
  );
  const phase: Beating = {
    kind: "beating",
    own: { incarnation, nonce },
    registration,
    nextBeatAt: at,
    stamping: null,
    inFlight: [],
    unansweredSince: null,
    unheard: false,
    asking: null,
  };
  // Of a rejoin the agent has to be heard anew: it must have seen that its VMs are over (S13).
  const agent = state.fenced === null ? state.agent : null;
  const registered = phase.own;
  return {
    state: { ...state, phase, registered, agent, candidate: null, silence: null, ordered: null, fenced: null },
    effects: [],
  };
}

/** Where both guards are with it: asks for the next stamp when it is time, and sends what both have stamped (S3, S4). */
export function goOnBeating(state: HeartState, phase: Beating, at: InstantMs): HeartStep {
  const asked = askGuards(state, phase.own.incarnation, at);
  if (!bothReady(asked.state.guards, phase.own.incarnation)) return asked;
  const { stamping } = phase;
  if (stamping !== null && guardNames.every((name) => stamping.by[name])) {
    return andThen(asked, (next) => send(next, phase, stamping, at));
  }
  const waits = stamping !== null && at < later(stamping.askedAt, heartLimits.stampTimeoutMs);
  if (waits || at < phase.nextBeatAt || phase.inFlight.length >= limits.heartbeatsInFlightMax) return asked;
  return andThen(asked, (next) => (phase.unheard ? askStore(next, phase, at) : askStamps(next, phase, at)));
}

/**
 * A heartbeat that is committed while its answer is lost extends nothing here, and elsewhere the wait for this host
 * begins anew: one that hears nothing but is heard would be taken over seconds later than one that is cut off. So none
 * is sent into silence; a read asks first.
 */
function askStore(state: HeartState, phase: Beating, at: InstantMs): HeartStep {
  if (phase.asking !== null && at < phase.asking.againAt) return { state, effects: [] };
  const ticket = state.lastTicket + 1;
  const asking = { from: phase.asking?.from ?? ticket, againAt: later(at, heartLimits.askAgainMs) };
  return {
    state: { ...state, lastTicket: ticket, phase: { ...phase, asking } },
    effects: [{ kind: "snapshot", ticket, prefix: keys.host(state.config.host) }],
  };
}

/** Any answer will do, also a late one: what it says is not looked at. */
export function hearAnswer(state: HeartState, phase: Beating, ticket: number, end: SnapshotEnd): HeartStep {
  if (end.kind === "unknown" || phase.asking === null || ticket < phase.asking.from) return { state, effects: [] };
  return { state: { ...state, phase: { ...phase, unheard: false, asking: null } }, effects: [] };
}

function askStamps(state: HeartState, phase: Beating, at: InstantMs): HeartStep {
  const stamp = state.lastStamp + 1;
  const onGrid = later(phase.nextBeatAt, state.config.heartbeatMs);
  const next: Beating = {
    ...phase,
    nextBeatAt: onGrid > at ? onGrid : later(at, state.config.heartbeatMs),
    stamping: { stamp, askedAt: at, by: { a: false, b: false } },
  };
  return { state: { ...state, lastStamp: stamp, phase: next }, effects: toBoth({ kind: "stamp", stamp }) };
}

function toBoth(command: Extract<HeartEffect, { kind: "guard" }>["command"]): HeartEffect[] {
  return guardNames.map((name): HeartEffect => ({ kind: "guard", name, command }));
}

function send(state: HeartState, phase: Beating, stamping: Stamping, at: InstantMs): HeartStep {
  const ticket = state.lastTicket + 1;
  const { a, b } = state.guards;
  const flight: InFlight = { ticket, stamp: stamping.stamp, sessions: { a: sessionOf(a), b: sessionOf(b) } };
  const inFlight = [...phase.inFlight, flight];
  const unansweredSince = phase.unansweredSince ?? at;
  const next: Beating = { ...phase, stamping: null, inFlight, unansweredSince, unheard: true, asking: null };
  return {
    state: { ...state, lastTicket: ticket, phase: next },
    effects: [
      {
        kind: "commit",
        ticket,
        transaction: heartbeatTransaction(state, phase, stamping.stamp, at),
        timeoutMs: limits.commitTimeoutMs,
      },
    ],
  };
}

function sessionOf(view: GuardView): number {
  return view.kind === "here" ? view.session : 0;
}

/** S1: no fence of this incarnation, and the registration is mine by revision, which stands for number and nonce. */
function heartbeatTransaction(state: HeartState, phase: Beating, seq: number, at: InstantMs): Transaction {
  const { host } = state.config;
  const { agent, guards } = state;
  const sinceAgentMs = agent === null ? null : Math.round(at - agent.at);
  const heartbeat: Heartbeat = {
    schema: 1,
    seq,
    // S7: the larger of the two guards' own words; the VMs stop at the earlier deadline, the manager waits for the later.
    deadlineMs: Math.max(...guardNames.map((name) => enforced(guards[name], "deadlineMs"))),
    marginMs: Math.max(...guardNames.map((name) => enforced(guards[name], "marginMs"))),
    agentAgeMs: sinceAgentMs,
    frozen: anyFrozen(guards),
    poolAgeMs: agent === null || agent.poolAgeMs === null ? null : Math.round(at - agent.at + agent.poolAgeMs),
  };
  const key = keys.heartbeat(host, phase.own.incarnation);
  return transaction(stillIn(host, phase.registration), [put(key, heartbeat)]);
}

function enforced(view: GuardView, what: "deadlineMs" | "marginMs"): number {
  assert(view.kind === "here", "Cannot send a heartbeat: a guard is away");
  return view[what];
}

/** What a guard said moves the heartbeat that waits for its stamp; a new connection voids it. */
export function hearStamp(state: HeartState, phase: Beating, name: GuardName, says: GuardSays): HeartStep {
  const { stamping } = phase;
  if (stamping === null) return { state, effects: [] };
  if (says.kind === "hello" || says.kind === "lost") {
    return { state: { ...state, phase: { ...phase, stamping: null } }, effects: [] };
  }
  if (says.kind !== "stamped" || says.stamp !== stamping.stamp) return { state, effects: [] };
  const marked: Stamping = { ...stamping, by: { ...stamping.by, [name]: true } };
  return { state: { ...state, phase: { ...phase, stamping: marked } }, effects: [] };
}

/** The end of a heartbeat that is still waited for; any other end is nobody's and changes nothing. */
export function hearBeat(state: HeartState, phase: Beating, ticket: number, end: CommitEnd, at: InstantMs): HeartStep {
  const flight = phase.inFlight.find((one) => one.ticket === ticket);
  if (flight === undefined) return { state, effects: [] };
  const rest: Beating = { ...phase, inFlight: phase.inFlight.filter((one) => one.ticket !== ticket) };
  switch (end.kind) {
    case "committed":
      return {
        state: { ...state, phase: { ...rest, unansweredSince: null, unheard: false, asking: null } },
        effects: guardNames
          .filter((name) => sessionOf(state.guards[name]) === flight.sessions[name])
          .map((name) => ({ kind: "guard", name, command: { kind: "committed", stamp: flight.stamp } })),
      };
    case "unknown":
      // It may have happened: then the guards' deadline is merely earlier than it could be (S2).
      return { state: { ...state, phase: rest }, effects: [] };
    case "refused":
      return hearRefused({ ...state, phase: { ...rest, unheard: false, asking: null } }, phase, end, at);
  }
}

function hearRefused(
  state: HeartState,
  phase: Beating,
  end: Extract<CommitEnd, { kind: "refused" }>,
  at: InstantMs,
): HeartStep {
  const { host } = state.config;
  const stands = end.found.find((value) => value.key === keys.host(host))?.revision;
  // Somebody else is this host now. Rejoining would end his incarnation, and he ours, for ever (S1).
  if (stands === undefined) return giveUp(state, "heart-removed");
  if (stands !== phase.registration.revision) return giveUp(state, "heart-registration-changed");
  const fenced = end.found.some((value) => value.key === keys.fence(host, phase.own.incarnation));
  if (!fenced) return { state, effects: [] };
  // Answers of this incarnation's other heartbeats find no phase that waits for them: nothing of it thaws any more.
  const over: HeartState = { ...state, fenced: phase.own.incarnation };
  return andThen(freezeBoth(over), (next) => look(next, "host", null, at));
}
