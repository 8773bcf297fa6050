import { isSame } from "../base/same.ts";
import { limits } from "../core/limits.ts";
import { type HostId, type Incarnation, type InstantMs, later, noRevision } from "../model/ids.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { takeUnreadable } from "./alone.ts";
import { Building } from "./building.ts";
import { decideFacts } from "./facts.ts";
import { goDown, settleMode } from "./leaving.ts";
import { underNames } from "./named.ts";
import { note } from "./note.ts";
import { noPoints } from "./point-state.ts";
import { reconcile } from "./reconcile.ts";
import { noReplicas } from "./replica-state.ts";
import { tellStillness } from "./standstill.ts";
import type { AgentEvent, AgentPending, AgentState, AgentStep } from "./state.ts";
import { neverStill } from "./stillness.ts";
import { decideUsage } from "./usage.ts";

export function startAgent(self: HostId, accel: "kvm" | "tcg", now: InstantMs): AgentState {
  return {
    self,
    accel,
    heart: "lost",
    still: neverStill,
    locals: new Map(),
    restarts: new Map(),
    carriedOut: new Set(),
    wentDown: false,
    synced: false,
    syncedRevision: noRevision,
    listing: { needed: true, asked: undefined, nextAt: now },
    silent: new Map(),
    pending: new Map(),
    ops: new Map(),
    moveEnds: new Map(),
    beats: new Map(),
    arrivals: new Map(),
    arriving: new Map(),
    imageEnds: new Map(),
    progress: new Map(),
    copying: new Map(),
    pauses: new Map(),
    progressAt: now,
    seen: new Map(),
    replicas: noReplicas(now),
    points: noPoints(),
    reading: undefined,
    readAt: now,
    readRunning: false,
    measuring: { samples: [], running: false, nextAt: now },
    aliveAt: now,
    standing: "none",
    nextId: 1,
  };
}

/** One step: note what the event tells, then bring what runs here to what the records say. */
export function stepAgent(state: AgentState, happened: AgentEvent): AgentStep {
  const building = new Building(
    forgetCaughtUp(takeUnreadable(note(state, underNames(happened)), happened), happened),
    happened,
  );
  const incarnation = myIncarnation(building.state, happened.view);
  const standing = standingOf(state, happened.view, incarnation);
  const quiet = isQuiet(state, happened) && standing === state.standing;
  if (quiet && happened.kind === "changed") return { state: building.state, effects: [] };
  sayAlive(building);
  if (quiet) return { state: building.state, effects: building.effects };
  askList(building);
  if (building.state.synced && !building.state.listing.needed && building.state.listing.asked?.needed !== true) {
    if (incarnation !== undefined) {
      reconcile(building, incarnation);
      decideFacts(building, incarnation);
      decideUsage(building, incarnation);
      settleMode(building, incarnation);
      tellStillness(building, incarnation);
    } else goDown(building);
  }
  building.state = { ...building.state, standing };
  building.effects.push({ kind: "wake-at", at: wakeAt(building) });
  return { state: building.state, effects: building.effects };
}

/** What a heartbeat of this host's own can change for it: it may act now, and others see that it is at work. */
function standingOf(state: AgentState, view: ClusterView, acts: Incarnation | undefined): AgentState["standing"] {
  if (acts === undefined) return "none";
  const seen = heartbeatOf(view, state.self, acts)?.value.agentAgeMs != null;
  return `${acts} ${seen ? "seen" : "unseen"}`;
}

/** Heartbeats and ticks, and the heart's word again: what else rests on them can wait for the next wake-up. */
function isQuiet(state: AgentState, happened: AgentEvent): boolean {
  if (happened.kind === "changed") return !happened.touched.others;
  return happened.kind === "heart" && isSame(state.heart, happened.says);
}

function forgetCaughtUp(state: AgentState, happened: AgentEvent): AgentState {
  const over = ({ until }: AgentPending) =>
    (until.kind === "answered" && until.revision <= happened.view.revision) ||
    (until.kind === "unclear" && until.freeAt <= happened.now);
  if (state.pending.size === 0 || ![...state.pending.values()].some(over)) return state;
  return { ...state, pending: new Map([...state.pending].filter(([, entry]) => !over(entry))) };
}

/** One question at a time: an older answer must never come after a newer one. */
function askList(building: Building): void {
  const { listing, locals } = building.state;
  const { now } = building.happened;
  if (listing.asked !== undefined || (!listing.needed && now < listing.nextAt)) return;
  const asked = { needed: listing.needed, locals };
  building.state = {
    ...building.state,
    listing: { needed: false, asked, nextAt: later(now, limits.agentListMs) },
  };
  building.effects.push({ kind: "list" });
}

/** S13: the heart counts the agent's age from these words. */
function sayAlive(building: Building): void {
  if (building.happened.now < building.state.aliveAt) return;
  building.state = { ...building.state, aliveAt: later(building.happened.now, limits.agentAliveMs) };
  building.effects.push({ kind: "alive", poolAgeMs: null });
}

/**
 * The incarnation this agent may act for: the heart's word, the store's registration and its nonce agree, and nobody
 * fenced it as far as this view goes. The store decides again in each transaction. Not before its first heartbeat: an
 * incarnation that owns VMs and was never heard could never be found silent (S8).
 */
function myIncarnation(state: AgentState, view: ClusterView): Incarnation | undefined {
  if (state.heart === "lost" || state.heart.incarnation === null || state.heart.phase !== "beating") return undefined;
  const registration = view.hosts.get(state.self)?.value;
  if (registration?.incarnation !== state.heart.incarnation || registration.nonce !== state.heart.nonce)
    return undefined;
  if (fenceOf(view, state.self, registration.incarnation) !== undefined) return undefined;
  if (heartbeatOf(view, state.self, registration.incarnation) === undefined) return undefined;
  return registration.incarnation;
}

function wakeAt({ state, moments, happened }: Building): InstantMs {
  const due: number[] = [...moments];
  for (const { until } of state.pending.values()) if (until.kind === "unclear") due.push(until.freeAt);
  const { now } = happened;
  return Math.min(...due.filter((moment) => moment > now), later(now, limits.agentWakeMs)) as InstantMs;
}
