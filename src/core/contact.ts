import type { HostId, Incarnation, InstantMs, Revision } from "../model/ids.ts";
import { later } from "../model/ids.ts";
import type { Heartbeat } from "../model/records.ts";
import { limits } from "./limits.ts";

/**
 * What one manager process knows of a host's heartbeats, on its own clock (S3: no clock value crosses processes).
 * `heardAt` is the receipt of the newest revision, which is never earlier than its sending: waiting D+M from here
 * is waiting longer than the host's guards do.
 */
export type Contact = {
  readonly incarnation: Incarnation;
  readonly revision: Revision;
  readonly heardAt: InstantMs;
  /** When this process first heard this incarnation. */
  readonly since: InstantMs;
  /** True once a heartbeat arrived while this process watched, not only in its first snapshot (S8). */
  readonly live: boolean;
  /** Heard among what had waited for this process, which had been away for long: it may be of long ago, and tells of no life now (PL1). */
  readonly waited?: true;
  /** D+M that counts for this host: the larger of its own word and ours (S7). */
  readonly waitMs: number;
  /** Never before this moment: heard + D+M, and what an earlier heartbeat with a longer D had promised (S7). */
  readonly silentUntil: InstantMs;
  /** Since when every heartbeat said that the VMs stand frozen although it was committed; null: they run (S13). */
  readonly frozenSince: InstantMs | null;
  /**
   * When its agent lived, by the last heartbeat that knew. A heart that has just begun has not heard it yet (null), and takes nothing
   * back of what the one before it said; where none of this incarnation knew, since this process first heard it (S13).
   */
  readonly agentLivedAt: InstantMs;
};

/** The larger of what the host's guards enforce and this process's own D+M (S7). */
export function waitFor(heartbeat: Heartbeat, ownWaitMs: number): number {
  return Math.max(heartbeat.deadlineMs + heartbeat.marginMs, ownWaitMs);
}

export function hear(
  known: Contact | undefined,
  heard: { readonly incarnation: Incarnation; readonly revision: Revision; readonly heartbeat: Heartbeat },
  ownWaitMs: number,
  now: InstantMs,
  live: boolean,
  waited = false,
): Contact {
  if (known !== undefined && known.revision >= heard.revision) return known;
  const waitMs = waitFor(heard.heartbeat, ownWaitMs);
  // A shorter D counts only from the heartbeat that states it: what the one before it promised is waited for too (S7).
  const before = known?.incarnation === heard.incarnation ? known : undefined;
  const silentUntil = Math.max(now + waitMs, before?.silentUntil ?? 0);
  const { agentAgeMs } = heard.heartbeat;
  const contact: Contact = {
    incarnation: heard.incarnation,
    revision: heard.revision,
    heardAt: now,
    since: before?.since ?? now,
    live: live || (before?.live ?? false),
    waitMs,
    silentUntil: silentUntil as InstantMs,
    // Each incarnation begins frozen: what the one before it did not manage is not held against it.
    frozenSince: heard.heartbeat.frozen ? (before?.frozenSince ?? now) : null,
    agentLivedAt: agentAgeMs === null ? (before?.agentLivedAt ?? now) : ((now - agentAgeMs) as InstantMs),
  };
  return waited ? { ...contact, waited } : contact;
}

/** How long the agent of the host has been silent, by its last heartbeat (S13). */
export function agentSilenceMs({ agentAgeMs }: Heartbeat, { agentLivedAt }: Contact, now: InstantMs): number {
  return agentAgeMs ?? now - agentLivedAt;
}

/** S13: how long its VMs have stood frozen, where that is longer than a host that beats has any reason to. */
export function frozenTooLongMs(
  { deadlineMs }: Heartbeat,
  { frozenSince }: Contact,
  now: InstantMs,
): number | undefined {
  const frozenMs = frozenSince === null ? 0 : now - frozenSince;
  return frozenMs > limits.frozenDeadlinesMax * deadlineMs ? frozenMs : undefined;
}

/** S13: by its last heartbeat its agent is gone. */
export function isAgentGone(beat: Heartbeat, contact: Contact, now: InstantMs): boolean {
  return agentSilenceMs(beat, contact, now) > limits.agentSilentMs;
}

/**
 * Whether this process itself has contact: silence of others counts only while it does (S8). `lastAt`: the newest
 * proof of a quorum commit that this process received. In a gap, and for a grace after it, nobody is fenced.
 */
export type OwnContact = {
  readonly lastAt: InstantMs;
  /** When the present stretch without a gap began. */
  readonly since: InstantMs;
  readonly graceUntil: InstantMs;
  /** Until then what arrives may have waited for this process since before a long gap of its own. */
  readonly waitedUntil?: InstantMs;
};

export function hasContact(own: OwnContact, now: InstantMs): boolean {
  return now - own.lastAt <= limits.ownGapMaxMs;
}

export function evidence(own: OwnContact, deadlineMs: number, now: InstantMs): OwnContact {
  const gapMs = now - own.lastAt;
  if (gapMs <= limits.ownGapMaxMs) return { ...own, lastAt: now };
  const graceMs = gapMs > deadlineMs ? limits.graceAfterLongGapMs : limits.graceMs;
  const graceUntil = Math.max(later(now, graceMs), own.graceUntil) as InstantMs;
  const waited = gapMs > limits.ownGapLongMs ? { waitedUntil: later(now, limits.waitedWordsMs) } : {};
  return { lastAt: now, since: now, graceUntil, ...waited };
}

/** Whether what arrives now may have waited for this process: one that stood still hears at once what was said all that time. */
export function mayHaveWaited({ waitedUntil }: OwnContact, now: InstantMs): boolean {
  return waitedUntil !== undefined && now < waitedUntil;
}

export type Silence =
  | { readonly kind: "not-due"; readonly at: InstantMs }
  | { readonly kind: "due" }
  /** This process cannot judge now: it has no contact itself. */
  | { readonly kind: "cannot-judge" };

/** When a fence of `host` by silence is due for this process (S8). Waiting for evidence again is `cannot-judge`. */
export function silenceOf(
  contact: Contact,
  own: OwnContact,
  process: { readonly startedAt: InstantMs; readonly ownWaitMs: number; readonly extraMs: number },
  now: InstantMs,
): Silence {
  if (!hasContact(own, now)) return { kind: "cannot-judge" };
  // A process younger than D+M fences nobody; an unheard host has longer: the whole cluster may be starting.
  const youngUntil = later(process.startedAt, contact.live ? process.ownWaitMs : limits.unheardMs);
  const dueAt = Math.max(contact.silentUntil + process.extraMs, own.graceUntil, youngUntil) as InstantMs;
  return now >= dueAt ? { kind: "due" } : { kind: "not-due", at: dueAt };
}

export type Contacts = ReadonlyMap<HostId, Contact>;
