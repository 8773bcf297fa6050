import { leftInOrder } from "../core/host-standing.ts";
import { isWithoutDeadline } from "../core/limits.ts";
import { type InstantMs, later } from "../model/ids.ts";
import { parseJson } from "../model/json.ts";
import { keys } from "../model/keys.ts";
import {
  type FenceRecord,
  fenceSchema,
  type Heartbeat,
  type HostRegistration,
  heartbeatSchema,
  hostSchema,
} from "../model/records.ts";
import { type RemovedHost, removedHostSchema } from "../model/removal-records.ts";
import type { StoredValue } from "../model/transaction.ts";
import type { Stored } from "../model/view.ts";
import type { SnapshotEnd } from "../ports/store.ts";
import { startBeating } from "./beating.ts";
import { heartLimits } from "./limits.ts";
import { giveUp, keyOf, type Looking, look, rest } from "./moves.ts";
import { register } from "./registering.ts";
import type { HeartState, HeartStep, Silence } from "./state.ts";

export function hearSnapshot(state: HeartState, phase: Looking, end: SnapshotEnd, at: InstantMs): HeartStep {
  if (end.kind === "unknown") return rest(state, "heart-store-silent", later(at, heartLimits.retryMs));
  const key = keyOf(state.config.host, phase.question, phase.found);
  const stored = end.values.find((value) => value.key === key);
  if (phase.question === "host" || phase.found === null) {
    const removed = end.values.find((value) => value.key === keys.removedHost(state.config.host));
    return hearHost(state, stored, removed, at);
  }
  return phase.question === "fence"
    ? hearFence(state, phase.found, stored, at)
    : hearHeartbeat(state, phase.found, stored, at);
}

function hearHost(
  state: HeartState,
  stored: StoredValue | undefined,
  removed: StoredValue | undefined,
  at: InstantMs,
): HeartStep {
  if (stored === undefined) {
    const takenBack = removed === undefined ? null : read<RemovedHost>(removedHostSchema, removed);
    if (takenBack === undefined) return unreadable(state, at);
    // HM7: a machine that was put out of the cluster does not put itself in again.
    if (takenBack !== null && takenBack.value.takenBackAt === null) return giveUp(state, "heart-removed");
    return register(state, null, { kind: "first", takenBack }, at);
  }
  const found = read(hostSchema, stored);
  if (found === undefined) return unreadable(state, at);
  if (found.value.machine !== state.config.machine) return giveUp(state, "heart-other-machine");
  // A restarted heart goes on with the incarnation that this boot registered (S1); a fence of it shows in the first heartbeat.
  if (isOwn(state, found.value) && found.value.incarnation !== state.fenced) return startBeating(state, found, at);
  return look(state, "fence", found, at);
}

/** The registration is the one that this boot made: number and nonce. */
function isOwn(state: HeartState, registration: HostRegistration): boolean {
  return state.own?.incarnation === registration.incarnation && state.own.nonce === registration.nonce;
}

function hearFence(
  state: HeartState,
  found: Stored<HostRegistration>,
  stored: StoredValue | undefined,
  at: InstantMs,
): HeartStep {
  if (stored === undefined) return look(state, "heartbeat", found, at);
  const record = read(fenceSchema, stored);
  if (record === undefined) return unreadable(state, at);
  const { incarnation } = found.value;
  if (record.value.cause === "order" && record.value.device === "begun") {
    const ordered = state.ordered?.incarnation === incarnation ? state.ordered : { incarnation, since: at };
    const next: HeartState = { ...state, ordered };
    // The order was given because VMs do not run under a host that beats: a new incarnation would call the device off
    // (S11) and change nothing. Where the device does not come either, the host is needed after all.
    if (at < later(ordered.since, heartLimits.orderedRestMs)) {
      return rest(next, "heart-power-ordered", later(at, heartLimits.retryMs));
    }
    return register(next, found, { kind: "fenced", incarnation, record }, at);
  }
  if (isOwn(state, found.value) && leftInOrder(record.value)) return stayAway(state, found, record, at);
  return register(state, found, { kind: "fenced", incarnation, record }, at);
}

/**
 * This very life of the host gave its last word and is about to go down: rejoining would make others count on it again
 * (HM4). Where the machine stays up all the same, it is back after a while.
 */
function stayAway(
  state: HeartState,
  found: Stored<HostRegistration>,
  record: Stored<FenceRecord>,
  at: InstantMs,
): HeartStep {
  const { incarnation } = found.value;
  const left = state.left?.incarnation === incarnation ? state.left : { incarnation, since: at };
  const next: HeartState = { ...state, left };
  if (at < later(left.since, heartLimits.leftRestMs))
    return rest(next, "heart-host-leaves", later(at, heartLimits.retryMs));
  return register(next, found, { kind: "fenced", incarnation, record }, at);
}

/**
 * A registration that this boot did not make may be beating on a second machine of this name: it is ended only after
 * D+M in which its heartbeat stood still before these eyes, and the transaction compares that heartbeat's revision.
 */
function hearHeartbeat(
  state: HeartState,
  found: Stored<HostRegistration>,
  stored: StoredValue | undefined,
  at: InstantMs,
): HeartStep {
  const heartbeat = stored === undefined ? null : read(heartbeatSchema, stored);
  if (heartbeat === undefined) return unreadable(state, at);
  const silence = continueSilence(state, found.value, heartbeat, at);
  const next: HeartState = { ...state, silence };
  const dueAt = later(silence.since, silence.waitMs);
  if (at >= dueAt) return register(next, found, { kind: "silent", silence }, at);
  return rest(next, "heart-earlier-incarnation", Math.min(dueAt, later(at, heartLimits.retryMs)) as InstantMs);
}

function continueSilence(
  state: HeartState,
  registration: HostRegistration,
  heartbeat: Stored<Heartbeat> | null,
  at: InstantMs,
): Silence {
  const { incarnation } = registration;
  const revision = heartbeat?.revision ?? null;
  const known = state.silence;
  if (known !== null && known.incarnation === incarnation && known.revision === revision) return known;
  const ownWaitMs = waitOf(state.config);
  const theirWaitMs = heartbeat === null ? 0 : waitOf(heartbeat.value);
  // What an earlier heartbeat of it had promised counts too: a shorter D never shortens a wait that has begun (S7).
  const before = known?.incarnation === incarnation ? known.waitMs : 0;
  const endless = [state.config, ...(heartbeat === null ? [] : [heartbeat.value])].some(isWithoutDeadline);
  const proves = !endless && (known?.incarnation !== incarnation || known.proves);
  return { incarnation, revision, since: at, waitMs: Math.max(ownWaitMs, theirWaitMs, before), proves };
}

/** D + M; where no deadline holds, long enough to see that it beats, and no proof of anything (S23). */
function waitOf(promised: Pick<Heartbeat, "deadlineMs" | "marginMs">): number {
  return isWithoutDeadline(promised) ? heartLimits.earlierLifeMs : promised.deadlineMs + promised.marginMs;
}

function unreadable(state: HeartState, at: InstantMs): HeartStep {
  return rest(state, "heart-store-unreadable", later(at, heartLimits.retryMs));
}

type Schema<T> = {
  safeParse(data: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
};

function read<T>(schema: Schema<T>, stored: StoredValue): Stored<T> | undefined {
  const result = schema.safeParse(parseJson(stored.text));
  return result.success ? { value: result.data, revision: stored.revision } : undefined;
}
