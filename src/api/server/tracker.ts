import type { OwnWord } from "../../core/copies-here.ts";
import { limits } from "../../core/limits.ts";
import type { HostContact } from "../../core/requests/sight.ts";
import type { Standstill } from "../../core/standstill.ts";
import type { HostSign } from "../../core/vm-state.ts";
import {
  type HostId,
  type Incarnation,
  type InstantMs,
  later,
  noRevision,
  type Revision,
  type WallMs,
} from "../../model/ids.ts";
import type { Member } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../../model/view.ts";
import type { Clock } from "../../ports/clock.ts";
import { type ApiOptions, apiLimits, type Heard } from "./options.ts";

/** How old what this process knows is: measured on its own clock from what it saw change, never from a record's time. */
export interface Tracker {
  /** Milliseconds since the view last changed; null: it was never read. */
  asOfMs(): number | null;
  /** Milliseconds since the host's last heartbeat was first seen here; null: none was. */
  heartbeatAgeMs(host: HostId): number | null;
  contact(host: HostId): HostContact;
  /** It is silent for so long that its VMs stand still: nobody can have heard it meanwhile (S2). */
  isLost(host: HostId): boolean;
  /** All that are lost. */
  lost(): ReadonlySet<string>;
  /** What this process knows of the VMs of a host beyond what the records say. */
  sign(host: HostId): HostSign;
  /** The VMs of this very host stand still; undefined for every other host: it is not known in this way. */
  standstill(host: HostId): Standstill | undefined;
  /** What this very host knows of its copies beyond the records. */
  ownWord(): OwnWord;
  /** This machine's wall clock: for people only. */
  wall(): WallMs;
  stop(): void;
}

/** Whether a host is there; whoever hears nothing itself takes nobody for silent. */
export function mayBeUp({ contact }: Pick<Tracker, "contact">): (host: HostId) => boolean {
  return (host) => ["up", "unknown"].includes(contact(host));
}

const noIncarnation = 0 as Incarnation;

type Seen = { readonly revision: Revision; readonly at: InstantMs };

/** Where no daemon tells when it heard what: looks at the view now and then, and notes when it showed something new. */
function pollView(view: () => ClusterView, clock: Clock) {
  let viewSeen: Seen | null = null;
  const beats = new Map<HostId, Seen>();
  const observe = () => {
    const current = view();
    const at = clock.now();
    if (current.revision > (viewSeen?.revision ?? 0)) viewSeen = { revision: current.revision, at };
    for (const [host, registration] of current.hosts) {
      const beat = heartbeatOf(current, host, registration.value.incarnation);
      if (beat !== undefined && beat.revision !== beats.get(host)?.revision) {
        beats.set(host, { revision: beat.revision, at });
      }
    }
  };
  let cancel = () => {};
  const tick = () => {
    observe();
    cancel = clock.wakeAt(later(clock.now(), apiLimits.trackMs), tick);
  };
  tick();
  return {
    beatOf: (host: HostId) => {
      observe();
      return beats.get(host);
    },
    viewSeen: () => {
      observe();
      return viewSeen;
    },
    stop: () => cancel(),
  };
}

const deafAfterMs = Math.min(apiLimits.staleMs, limits.aliveMs);

export function trackContacts(
  view: () => ClusterView,
  clock: Clock,
  self: HostId,
  heard: Heard | undefined = undefined,
  memberAnswers: ApiOptions["memberAnswers"] = undefined,
): Tracker {
  const polled = heard === undefined ? pollView(view, clock) : undefined;
  const seenOf = (host: HostId): { readonly at: InstantMs; readonly silentUntil?: InstantMs } | undefined => {
    if (heard === undefined) return polled?.beatOf(host);
    const contact = heard.contacts().get(host);
    const isCurrent = contact !== undefined && contact.incarnation === view().hosts.get(host)?.value.incarnation;
    return isCurrent ? { at: contact.heardAt, silentUntil: contact.silentUntil } : undefined;
  };
  const age = (seen: { readonly at: InstantMs } | null | undefined) => {
    return seen === null || seen === undefined ? null : Math.max(0, Math.round(clock.now() - seen.at));
  };
  const contact = (host: HostId): HostContact => {
    const current = view();
    const member = current.members.get(host)?.value;
    if (member?.role === "witness") return witnessContact(member, self, memberAnswers);
    const registration = current.hosts.get(host)?.value;
    if (registration === undefined) return "absent";
    if (fenceOf(current, host, registration.incarnation) !== undefined) return "fenced";
    const beat = heartbeatOf(current, host, registration.incarnation)?.value;
    if (beat === undefined) return "absent";
    const ageMs = tracker.heartbeatAgeMs(host);
    if (ageMs !== null && ageMs <= Math.min(beat.deadlineMs, limits.aliveMs)) return "up";
    // Where nothing at all arrives for as long as a host may be quiet, it is this process that is deaf.
    return (tracker.asOfMs() ?? Number.POSITIVE_INFINITY) > deafAfterMs ? "unknown" : "silent";
  };
  const isOverdue = (host: HostId): boolean => {
    const current = view();
    const beat = heartbeatOf(current, host, current.hosts.get(host)?.value.incarnation ?? noIncarnation)?.value;
    const seen = seenOf(host);
    if (beat === undefined || seen === undefined) return false;
    // What an earlier heartbeat promised counts as well (S7); where nobody heard it, the last one's own word is all there is.
    const silentUntil = Math.max(
      seen.silentUntil ?? Number.NEGATIVE_INFINITY,
      later(seen.at, beat.deadlineMs + beat.marginMs),
    );
    return clock.now() > silentUntil + apiLimits.lostAfterMs;
  };
  const isLost = (host: HostId) => contact(host) === "silent" && isOverdue(host);
  const tracker: Tracker = {
    asOfMs: () => {
      if (heard !== undefined && view().revision !== noRevision) return age({ at: heard.heardAt() });
      return age(polled?.viewSeen());
    },
    heartbeatAgeMs: (host) => age(seenOf(host)),
    contact,
    isLost,
    lost: () => new Set([...view().hosts.keys()].filter(isLost)),
    sign: (host) => {
      if (tracker.standstill(host) !== undefined) return "frozen";
      const seen = contact(host);
      // Of its own VMs it knows all the same.
      if (host === self) return undefined;
      if (seen === "silent") return "silent";
      return seen === "unknown" ? "unheard" : undefined;
    },
    standstill: (host) => (host === self ? heard?.standstill() : undefined),
    ownWord: () => ({ self, copies: heard?.copiesHere?.() ?? [], isHeard: (host) => contact(host) === "up" }),
    wall: () => clock.wall(),
    stop: () => polled?.stop(),
  };
  return tracker;
}

/** It has no heart that would be heard: it is there as long as its member of the store answers. */
function witnessContact(
  { id, links }: Member,
  self: HostId,
  memberAnswers: ApiOptions["memberAnswers"],
): Extract<HostContact, "up" | "silent" | "unknown"> {
  if (id === self) return "up";
  const answers = memberAnswers?.(links.map(({ address }) => address));
  if (answers === undefined) return "unknown";
  return answers ? "up" : "silent";
}
