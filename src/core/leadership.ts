import type { Profile } from "../model/config.ts";
import { type HostId, type InstantMs, later, type Revision, type Term, type WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ManagerTerm, ManagerTick } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../model/view.ts";
import type { Contacts, OwnContact } from "./contact.ts";
import { limits } from "./limits.ts";
import { inTerm, put, transaction, unchanged } from "./transactions.ts";

/** S12: the office is taken by compare-and-set; the term grows with each holder. */
export function claimTransaction(view: ClusterView, self: HostId, at: WallMs): Transaction {
  const term = ((view.term?.value.term ?? 0) + 1) as Term;
  const claim: ManagerTerm = { schema: 1, term, host: self, at };
  const firstTick: ManagerTick = { schema: 1, term, tick: 0 };
  return transaction(
    [unchanged(keys.managerTerm, view.term)],
    [put(keys.managerTerm, claim), put(keys.managerTick, firstTick)],
  );
}

/** A tick proves to the others, and by its commit to the leader itself, that its term is in force. */
export function tickTransaction(term: Stored<ManagerTerm>, tick: number, at: WallMs): Transaction {
  const next: ManagerTick = { schema: 1, term: term.value.term, tick, at };
  return transaction([inTerm(term)], [put(keys.managerTick, next)]);
}

/** Lays the office down: the others need not wait for the silence of its holder. */
export function lastTickTransaction(term: Stored<ManagerTerm>, tick: number): Transaction {
  const last: ManagerTick = { schema: 1, term: term.value.term, tick, last: true };
  return transaction([inTerm(term)], [put(keys.managerTick, last)]);
}

/** The leader's last tick as this process received it; `left`: it said that there will be no further one. */
export type LeaderContact = { readonly revision: Revision; readonly seenAt: InstantMs; readonly left: boolean };

/** When this process may claim the office: silence of the leader counts only while this process hears the store. */
export function claimDueAt({ seenAt, left }: LeaderContact, own: OwnContact): InstantMs {
  return (Math.max(seenAt, own.since) + (left ? 0 : limits.leaderSilenceMs)) as InstantMs;
}

/** How this process stands towards its own host and the others (S12). */
export type Standing = {
  readonly self: HostId;
  readonly profile: Profile;
  readonly contacts: Contacts;
  readonly own: OwnContact;
  readonly now: InstantMs;
};

/** From when on a host that says nothing more is no seat of the office: long before it may be fenced. */
function officeSilenceMs({ heartbeatMs }: Profile): number {
  return Math.max(limits.leaderSilenceMs, 3 * heartbeatMs);
}

/**
 * Whether the office is better held elsewhere: this host itself is not heard any more, or fenced, and one is heard whose
 * agent works. Who manages from a host that is about to be fenced judges it never, and the others only as standbys.
 */
export function isBetterElsewhere(view: ClusterView, standing: Standing): boolean {
  const { self, contacts } = standing;
  // A witness, which runs no VMs and has no heart, is as good a seat as any.
  if (!contacts.has(self) || isHeard(view, self, standing)) return false;
  for (const host of contacts.keys()) {
    if (host === self || !isHeard(view, host, standing)) continue;
    const incarnation = contacts.get(host)?.incarnation;
    const heartbeat = incarnation === undefined ? undefined : heartbeatOf(view, host, incarnation);
    const agentAgeMs = heartbeat?.value.agentAgeMs ?? null;
    if (agentAgeMs !== null && agentAgeMs <= limits.agentHungMs) return true;
  }
  return false;
}

function isHeard(view: ClusterView, host: HostId, { self, contacts, profile, own, now }: Standing): boolean {
  const contact = contacts.get(host);
  if (contact === undefined) return false;
  // Its own silence counts only while this process hears the store: after an outage all come back one after another (S8).
  const countsFrom = host === self ? Math.max(contact.heardAt, own.since) : contact.heardAt;
  return now - countsFrom <= officeSilenceMs(profile) && fenceOf(view, host, contact.incarnation) === undefined;
}

/** When the present host may have been silent for too long, if nothing comes from it. */
export function officeLeftAt({ self, contacts, profile, own, now }: Standing): InstantMs {
  return later(Math.max(contacts.get(self)?.heardAt ?? now, own.since) as InstantMs, officeSilenceMs(profile) + 1);
}
