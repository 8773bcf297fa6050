import { limits } from "../core/limits.ts";
import { type InstantMs, later } from "../model/ids.ts";
import { goOnBeating, hearAnswer, hearBeat, hearStamp } from "./beating.ts";
import { bothReady, freezeBoth, hearGuard } from "./guards.ts";
import { heartLimits } from "./limits.ts";
import { hearSnapshot } from "./looking.ts";
import { look } from "./moves.ts";
import { goOnRegistering, hearRegistered, hearWritten } from "./registering.ts";
import { tell } from "./say.ts";
import { andThen, type HeartEvent, type HeartState, type HeartStep, stay } from "./state.ts";

/**
 * The heart of a host: registers an incarnation, commits its heartbeats and hands the guards what was committed
 * (S1-S4, S7, S13). It permits nothing itself: without its word the guards' deadlines come. Effects are performed in
 * their order, and no event is taken before all of them were begun. An answer nobody waits for changes nothing.
 */
export function step(state: HeartState, event: HeartEvent): HeartStep {
  const taken = take(state, event);
  const gone = andThen(taken, (next) => goOn(next, event));
  const told = andThen(gone, (next) => tell(next, event.at));
  return andThen(told, (next) => ({ state: next, effects: [{ kind: "wake-at", at: dueAt(next, event.at) }] }));
}

function take(state: HeartState, event: HeartEvent): HeartStep {
  const { phase } = state;
  switch (event.kind) {
    case "tick":
      return stay(state);
    case "agent-alive":
      return stay({ ...state, agent: { at: event.at, poolAgeMs: event.poolAgeMs } });
    case "guard":
      return takeGuard(state, event);
    case "snapshot":
      if (phase.kind === "beating") return hearAnswer(state, phase, event.ticket, event.end);
      return phase.kind === "looking" && phase.ticket === event.ticket
        ? hearSnapshot(state, phase, event.end, event.at)
        : stay(state);
    case "incarnation-written":
      return phase.kind === "registering" && phase.stage === "file" && phase.ticket === event.ticket
        ? hearWritten(state, phase, event.written, event.at)
        : stay(state);
    case "commit":
      if (phase.kind === "beating") return hearBeat(state, phase, event.ticket, event.end, event.at);
      return phase.kind === "registering" && phase.stage === "commit" && phase.ticket === event.ticket
        ? hearRegistered(state, phase, event.end, event.at, event.wall)
        : stay(state);
  }
}

function takeGuard(state: HeartState, event: Extract<HeartEvent, { kind: "guard" }>): HeartStep {
  const heard = hearGuard(state, event.name, event.says, event.at);
  const { phase } = state;
  if (phase.kind === "beating") return andThen(heard, (next) => hearStamp(next, phase, event.name, event.says));
  if (event.says.kind !== "hello") return heard;
  // A guard that comes back may still hold a deadline of an incarnation that is over.
  const isOver = phase.kind === "refused" || (state.fenced !== null && phase.kind !== "registering");
  const frozen = isOver ? andThen(heard, freezeBoth) : heard;
  if (phase.kind !== "idle" || phase.trouble !== "heart-guard-away") return frozen;
  return andThen(frozen, (next) => stay({ ...next, phase: { ...phase, dueAt: event.at } }));
}

/** What time or the guards' readiness makes possible, whatever the event was. */
function goOn(state: HeartState, event: HeartEvent): HeartStep {
  const { phase } = state;
  switch (phase.kind) {
    case "idle":
    case "looking":
      return event.at >= phase.dueAt ? look(state, "host", null, event.at) : stay(state);
    case "registering":
      return goOnRegistering(state, phase, event.at, event.wall);
    case "beating":
      return goOnBeating(state, phase, event.at);
    case "refused":
      return stay(state);
  }
}

/** When something is due without another event; never later than `wakeMs`. */
function dueAt(state: HeartState, at: InstantMs): InstantMs {
  const { phase } = state;
  const until = (instant: number = Number.POSITIVE_INFINITY): InstantMs =>
    Math.max(at, Math.min(later(at, heartLimits.wakeMs), instant)) as InstantMs;
  switch (phase.kind) {
    case "idle":
    case "looking":
      return until(phase.dueAt);
    case "registering":
      return phase.stage === "guards" ? until() : until(phase.dueAt);
    case "beating": {
      if (!bothReady(state.guards, phase.own.incarnation)) return until();
      if (phase.stamping !== null) return until(later(phase.stamping.askedAt, heartLimits.stampTimeoutMs));
      if (phase.inFlight.length >= limits.heartbeatsInFlightMax) return until();
      return until(phase.asking?.againAt ?? phase.nextBeatAt);
    }
    case "refused":
      return until();
  }
}
