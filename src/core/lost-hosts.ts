import type { HostId, InstantMs } from "../model/ids.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { type Contacts, type OwnContact, silenceOf } from "./contact.ts";

/** What a process knows of others when it says who is lost. */
export type Witness = {
  readonly self: HostId;
  readonly now: InstantMs;
  readonly contacts: Contacts;
  readonly own: OwnContact;
  readonly startedAt: InstantMs;
  readonly ownWaitMs: number;
};

/**
 * Hosts on which nothing runs any more as far as this process can tell: fenced, or silent for so long that a fence would
 * be due (S8). It is no proof of anything: what needs one asks for it (S9).
 */
export function lostHosts(view: ClusterView, witness: Witness): ReadonlySet<HostId> {
  const { self, now, contacts, own, startedAt, ownWaitMs } = witness;
  const lost = new Set<HostId>();
  for (const [host, contact] of contacts) {
    const incarnation = view.hosts.get(host)?.value.incarnation;
    if (host === self || incarnation !== contact.incarnation) continue;
    const isFenced = fenceOf(view, host, incarnation) !== undefined;
    const process = { startedAt, ownWaitMs, extraMs: 0 };
    if (isFenced || silenceOf(contact, own, process, now).kind === "due") lost.add(host);
  }
  return lost;
}
