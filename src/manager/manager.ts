import { backoffMs } from "../base/backoff.ts";
import { inKeyOrder } from "../base/order.ts";
import {
  type Contact,
  evidence,
  frozenTooLongMs,
  hasContact,
  hear,
  isAgentGone,
  mayHaveWaited,
  type OwnContact,
} from "../core/contact.ts";
import { decideAsLeader } from "../core/decide-as-leader.ts";
import { decideFences, whyOthersWouldOrder } from "../core/decide-fences.ts";
import { deviceWork } from "../core/decide-proofs.ts";
import { type Decided, event, fenceKey, type ManagerKnowledge, parseFenceKey } from "../core/decision.ts";
import { proofTransaction } from "../core/fencing.ts";
import { limits } from "../core/limits.ts";
import { lostHosts } from "../core/lost-hosts.ts";
import { noBalance } from "../core/placement/rebalance.ts";
import { seeTurns } from "../core/start-order.ts";
import { isHalfTakenOver } from "../core/takeover.ts";
import { inTerm, transaction } from "../core/transactions.ts";
import type { Profile } from "../model/config.ts";
import { type HostId, type InstantMs, later, noRevision } from "../model/ids.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { announce, unsaid } from "./announcing.ts";
import { Building, busySubjects } from "./building.ts";
import { datedDoubts, doubt, promisedBy, seenThrough } from "./doubts.ts";
import { seeFailures } from "./failures.ts";
import { lead, officeWakeAt } from "./office.ts";
import type { ManagerEvent, ManagerState, ManagerStep, Pending } from "./state.ts";

export function startManager(self: HostId, profile: Profile, now: InstantMs): ManagerState {
  return {
    self,
    profile,
    startedAt: now,
    decidedAt: now,
    synced: false,
    own: { lastAt: now, since: now, graceUntil: now },
    contacts: new Map(),
    leader: { revision: noRevision, seenAt: now, left: false },
    leadership: { kind: "standby" },
    fencesSeenAt: new Map(),
    failuresSeenAt: new Map(),
    balance: noBalance,
    turns: new Map(),
    pending: new Map(),
    doubts: new Map(),
    devices: new Map(),
    announced: new Map(),
    nextId: 1,
  };
}

/** One step: note what the event tells, then decide on what is known now. */
export function stepManager(state: ManagerState, happened: ManagerEvent): ManagerStep {
  const noted = note(state, happened);
  if (!noted.synced) return { state: noted, effects: [] };
  const caughtUp = forgetCaughtUp(noted, happened);
  if (happened.isHeld === true || isHalfTakenOver(happened.view)) {
    const lookAt = later(happened.now, limits.leaderSilenceMs);
    return { state: { ...caughtUp, leadership: { kind: "standby" } }, effects: [{ kind: "wake-at", at: lookAt }] };
  }
  if (isQuiet(state, noted, happened)) return { state: caughtUp, effects: [] };
  const soonestAt = later(state.decidedAt, Math.floor(happened.view.vms.size / limits.vmsPerGapMs));
  if (canWait(happened) && happened.now < soonestAt)
    return { state: caughtUp, effects: [{ kind: "wake-at", at: soonestAt }] };
  return decide(caughtUp, happened);
}

/**
 * Heartbeats and ticks alone change no decision but an order to fence; their absence is noticed by the wake-up, and the end of a gap of this
 * process's own by its contact. Nor does the word that a transaction was committed, as long as the view does not show it:
 * that change comes as an event of its own; a tick shows nothing. Measured figures count for who leads, where they are
 * what hosts are compared by.
 */
function isQuiet(before: ManagerState, noted: ManagerState, happened: ManagerEvent): boolean {
  if (noted.own.since !== before.own.since || noted.leader.left !== before.leader.left) return false;
  if (happened.kind === "changed") {
    const { touched, view } = happened;
    const { mode } = (view.policy?.value ?? defaultPolicy).scheduler;
    const ordersFence = touched.heartbeats.some(({ host }) => mayOrderFence(noted, happened, host));
    const weighs = touched.usages && mode === "dynamic" && noted.leadership.kind === "leading";
    return !touched.others && !ordersFence && !weighs;
  }
  if (happened.kind !== "commit-ended" || happened.end.kind !== "committed") return false;
  return happened.end.revision > happened.view.revision || before.pending.get(happened.id)?.kind === "tick";
}

/**
 * An order rests on a heartbeat and is refused by the next one (S9): it is decided on as soon as that is heard, or a store that
 * takes as long as two thirds of a period would refuse it again and again.
 */
function mayOrderFence({ contacts }: ManagerState, { view, now }: ManagerEvent, host: HostId): boolean {
  const contact = contacts.get(host);
  const beat = contact === undefined ? undefined : heartbeatOf(view, host, contact.incarnation)?.value;
  if (contact === undefined || beat === undefined) return false;
  return frozenTooLongMs(beat, contact, now) !== undefined || isAgentGone(beat, contact, now);
}

/** Many changes in a row, and answers that they were made, are decided upon together. */
function canWait(happened: ManagerEvent): boolean {
  return happened.kind === "changed" || (happened.kind === "commit-ended" && happened.end.kind === "committed");
}

function ownWaitMs(profile: Profile): number {
  return profile.deadlineMs + profile.marginMs;
}

function note(state: ManagerState, happened: ManagerEvent): ManagerState {
  switch (happened.kind) {
    case "synced":
      return noteContacts({ ...state, synced: true }, happened, false);
    case "changed":
      return noteChanges(state, happened);
    case "woke":
      return state;
    case "commit-ended":
      return noteCommit(state, happened);
    case "power-off-ended":
      return noteDevice(state, happened);
  }
}

function noteChanges(state: ManagerState, happened: ManagerEvent & { kind: "changed" }): ManagerState {
  const own = evidence(state.own, state.profile.deadlineMs, happened.now);
  const { touched } = happened;
  const heard = touched.others ? noteContacts({ ...state, own }, happened, true) : noteBeats(state, own, happened);
  return touched.tick ? noteTick(heard, happened) : heard;
}

function noteTick(state: ManagerState, happened: ManagerEvent): ManagerState {
  const { tick } = happened.view;
  const revision = tick?.revision ?? noRevision;
  if (revision === state.leader.revision) return state;
  return { ...state, leader: { revision, seenAt: happened.now, left: tick?.value.last === true } };
}

/** Heartbeats alone: the hosts that sent them were heard, everything else is as it was. */
function noteBeats(
  state: ManagerState,
  own: OwnContact,
  { touched, view, now }: ManagerEvent & { kind: "changed" },
): ManagerState {
  if (touched.heartbeats.length === 0) return { ...state, own };
  const { profile } = state;
  const contacts = new Map(state.contacts);
  for (const { host } of touched.heartbeats) noteContact(contacts, host, view, { profile, own }, now, true);
  return { ...state, own, contacts };
}

function noteContact(
  contacts: Map<HostId, Contact>,
  host: HostId,
  view: ClusterView,
  { profile, own }: Pick<ManagerState, "profile" | "own">,
  now: InstantMs,
  live: boolean,
): void {
  const incarnation = view.hosts.get(host)?.value.incarnation;
  const heartbeat = incarnation === undefined ? undefined : heartbeatOf(view, host, incarnation);
  if (incarnation === undefined || heartbeat === undefined) return;
  const heard = { incarnation, revision: heartbeat.revision, heartbeat: heartbeat.value };
  contacts.set(host, hear(contacts.get(host), heard, ownWaitMs(profile), now, live, mayHaveWaited(own, now)));
}

/** Restarts the timer of each host at the receipt of its newest heartbeat, and of each fence record at its receipt. */
function noteContacts(state: ManagerState, happened: ManagerEvent, live: boolean): ManagerState {
  const { view, now } = happened;
  const contacts = new Map(state.contacts);
  const fencesSeenAt = new Map<string, number>();
  for (const host of view.hosts.keys()) noteContact(contacts, host, view, state, now, live);
  for (const [host, fences] of view.fences) {
    for (const incarnation of fences.keys()) {
      const key = fenceKey(host, incarnation);
      fencesSeenAt.set(key, state.fencesSeenAt.get(key) ?? now);
    }
  }
  const failuresSeenAt = seeFailures(state.failuresSeenAt, view, now);
  return { ...state, contacts, fencesSeenAt, failuresSeenAt };
}

function noteCommit(state: ManagerState, happened: ManagerEvent & { kind: "commit-ended" }): ManagerState {
  const ended = state.pending.get(happened.id);
  if (ended === undefined) return state;
  const { end, now } = happened;
  const pending = new Map(state.pending);
  if (end.kind === "unknown") {
    pending.set(happened.id, { ...ended, until: { kind: "unclear", freeAt: later(now, limits.tickMs) } });
  } else if (end.kind === "too-large") {
    pending.set(happened.id, { ...ended, until: { kind: "unclear", freeAt: later(now, limits.tooLargeRetryMs) } });
  } else pending.set(happened.id, { ...ended, until: { kind: "answered", revision: end.revision } });
  const own = end.kind === "committed" ? evidence(state.own, state.profile.deadlineMs, now) : state.own;
  const next = { ...state, own, pending, doubts: noteDoubts(state, ended, happened) };
  if (end.kind === "committed") return next;
  if (ended.kind === "notice") return { ...next, announced: unsaid(state.announced, ended.subject) };
  // A refused tick means that another term is in force; a claim that did not surely succeed is claimed anew.
  const resigns = (ended.kind === "tick" && end.kind === "refused") || ended.kind === "claim";
  return resigns ? { ...next, leadership: { kind: "standby" }, leader: { ...state.leader, seenAt: now } } : next;
}

function noteDoubts(
  { doubts, nextId }: ManagerState,
  ended: Pending,
  { id, end }: ManagerEvent & { kind: "commit-ended" },
) {
  if (end.kind === "unknown") return doubt(doubts, ended.places ?? [], nextId);
  const isOffice = ended.kind === "tick" || ended.kind === "claim";
  return isOffice && end.kind === "committed" ? datedDoubts(doubts, id, end.revision) : doubts;
}

function noteDevice(state: ManagerState, happened: ManagerEvent & { kind: "power-off-ended" }): ManagerState {
  const devices = new Map(state.devices);
  const run = devices.get(happened.key);
  const attempt = (run?.attempt ?? 0) + 1;
  const waitMs = backoffMs(attempt - 1, limits.deviceRetryFirstMs, limits.deviceRetryMaxMs);
  devices.set(happened.key, { attempt, running: false, retryAt: later(happened.now, happened.off ? 0 : waitMs) });
  return { ...state, devices };
}

/** A subject is free again once the view shows how its transaction ended. */
function forgetCaughtUp(state: ManagerState, happened: ManagerEvent): ManagerState {
  const over = ({ until }: Pending) =>
    (until.kind === "answered" && until.revision <= happened.view.revision) ||
    (until.kind === "unclear" && until.freeAt <= happened.now);
  const doubts = seenThrough(state.doubts, happened.view.revision);
  if (doubts === state.doubts && (state.pending.size === 0 || ![...state.pending.values()].some(over))) return state;
  return { ...state, doubts, pending: new Map([...state.pending].filter(([, entry]) => !over(entry))) };
}

function decide(noted: ManagerState, happened: ManagerEvent): ManagerStep {
  const { now, view } = happened;
  const state = { ...noted, decidedAt: now, turns: seeTurns(noted.turns, view, now) };
  const standsStill = (state.contacts.get(state.self)?.frozenSince ?? null) !== null;
  const leaves = standsStill ? whyOthersWouldOrder(view, knowledge(state, happened)) : undefined;
  const led = lead(state, happened, leaves);
  const leading = led.state.leadership.kind === "leading";
  const { term } = view;
  const also = leading && term !== undefined ? [inTerm(term)] : [];
  const known = knowledge(led.state, happened);
  const judge = {
    own: state.own,
    startedAt: state.startedAt,
    extraMs: leading ? 0 : limits.standbyFenceDelayMs,
    also,
  };
  // What a device confirmed comes first: nothing else is decided about that host before it is on record.
  const devices = leading ? workDevices(led.state, happened, also) : { state: led.state, effects: [] };
  const fences = decideFences(happened.view, known, judge);
  const asLeader = leading
    ? decideAsLeader(view, known, state.own, also, busySubjects(devices.state))
    : { parts: [], balance: noBalance };
  const parts: Decided[] = [fences, ...asLeader.parts];
  const applied = applyDecided({ ...devices.state, balance: asLeader.balance }, parts, happened, also);
  const effects = [...led.effects, ...devices.effects, ...applied.effects];
  return withWake({ state: applied.state, effects }, parts, happened);
}

function knowledge(state: ManagerState, happened: ManagerEvent): ManagerKnowledge {
  const { self, contacts, own, startedAt } = state;
  const waitMs = ownWaitMs(state.profile);
  return {
    now: happened.now,
    wall: happened.wall,
    self: state.self,
    contacts: state.contacts,
    fencesSeenAt: state.fencesSeenAt,
    failuresSeenAt: state.failuresSeenAt,
    turns: state.turns,
    ownWaitMs: waitMs,
    lost: lostHosts(happened.view, { self, now: happened.now, contacts, own, startedAt, ownWaitMs: waitMs }),
    balance: state.balance,
    leadingSince: state.leadership.kind === "leading" ? state.leadership.since : null,
    promised: promisedBy(state.doubts, state.pending),
  };
}

function applyDecided(
  state: ManagerState,
  parts: readonly Decided[],
  happened: ManagerEvent,
  also: readonly Compare[],
): ManagerStep {
  const building = new Building(state);
  for (const decision of parts.flatMap((part) => part.decisions)) {
    if (building.isBusy(decision.subject)) continue;
    building.commit(decision.subject, "decision", decision.transaction, decision.events, decision);
  }
  if (state.leadership.kind === "leading" && happened.view.term !== undefined)
    announce(building, parts, happened.view, also);
  return building.step();
}

/** S9.2 and S9.3: cut the power of what is recorded as begun, then commit the device's word. */
function workDevices(state: ManagerState, happened: ManagerEvent, also: readonly Compare[]): ManagerStep {
  const building = new Building(state);
  if (happened.kind === "power-off-ended" && happened.off) commitConfirmed(building, happened, also);
  for (const { host, incarnation } of deviceWork(happened.view)) {
    powerOff(building, host, fenceKey(host, incarnation), happened);
  }
  if (happened.kind === "power-off-ended" && !happened.off) {
    const { host } = parseFenceKey(happened.key);
    const told = event("fence-device-failed", { host }, { host, cause: happened.cause });
    building.commit(`device ${host}`, "notice", transaction(also, []), [told]);
  }
  return building.step();
}

/**
 * The machine was seen off after the record said `begun`: nothing of that incarnation is left, even where the host had
 * come back meanwhile, since that went dark too. Whoever adopts compares the record (S11).
 */
function commitConfirmed(
  building: Building,
  happened: ManagerEvent & { kind: "power-off-ended" },
  also: readonly Compare[],
): void {
  const { host, incarnation } = parseFenceKey(happened.key);
  const record = fenceOf(happened.view, host, incarnation);
  if (record?.value.device !== "begun" || record.value.proofs.includes("power-off")) return;
  const write = proofTransaction(host, incarnation, record, { proof: "power-off", device: "confirmed" }, also);
  const told = event("fence-proof", { host }, { host, incarnation, proof: "power-off" });
  building.commit(`host ${host}`, "decision", write, [told]);
}

function powerOff(building: Building, host: HostId, key: string, happened: ManagerEvent): void {
  // Without contact, and right after a gap of it, this view may be old: the host may have come back, another may lead.
  const { own } = building.state;
  if (!hasContact(own, happened.now) || happened.now < own.graceUntil) return;
  const device = happened.view.devices.get(host)?.value;
  const run = building.state.devices.get(key);
  if (device === undefined || run?.running === true || (run !== undefined && happened.now < run.retryAt)) return;
  if (building.isBusy(`host ${host}`)) return;
  const devices = new Map(building.state.devices);
  devices.set(key, { attempt: run?.attempt ?? 0, running: true, retryAt: happened.now });
  building.setDevices(devices);
  building.effects.push({ kind: "power-off", key, device });
}

/** The next moment at which something may be due although nothing changes; a leader decides afresh with each of its ticks. */
function withWake(step: ManagerStep, parts: readonly Decided[], { now }: ManagerEvent): ManagerStep {
  const { pending, devices } = step.state;
  const moments: number[] = [later(now, limits.leaderSilenceMs)];
  moments.push(officeWakeAt(step.state, now));
  for (const part of parts) if (part.wakeAt !== undefined) moments.push(part.wakeAt);
  for (const { until } of pending.values()) if (until.kind === "unclear") moments.push(until.freeAt);
  for (const [, run] of inKeyOrder(devices)) if (!run.running) moments.push(run.retryAt);
  const soonest = Math.min(...moments.filter((moment) => moment > now)) as InstantMs;
  return { ...step, effects: [...step.effects, { kind: "wake-at", at: soonest }] };
}
