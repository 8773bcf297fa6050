import type { HostId, InstantMs, Revision, Term, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ManagerTerm, ManagerTick } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { OwnContact } from "./contact.ts";
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
export function tickTransaction(term: Stored<ManagerTerm>, tick: number): Transaction {
  const next: ManagerTick = { schema: 1, term: term.value.term, tick };
  return transaction([inTerm(term)], [put(keys.managerTick, next)]);
}

/** The leader's last tick as this process received it. */
export type LeaderContact = { readonly revision: Revision; readonly seenAt: InstantMs };

/**
 * When this process may claim the office: silence of the leader counts only while this process hears the store. One that
 * could not do what is to be done about its own host leaves it to others first (S13).
 */
export function claimDueAt(leader: LeaderContact, own: OwnContact, leavesIt = false): InstantMs {
  const patienceMs = limits.leaderSilenceMs + (leavesIt ? limits.officeLeftMs : 0);
  return (Math.max(leader.seenAt, own.since) + patienceMs) as InstantMs;
}
