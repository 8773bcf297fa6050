import type { Placing } from "../core/decision.ts";
import { type HostId, noRevision, type Revision, type VmId } from "../model/ids.ts";

/** Places of a transaction whose outcome is unknown. */
export type Doubt = {
  readonly on: HostId;
  /** Transactions from this number on were sent after it was given up: what of it comes later still meets its own compares. */
  readonly before: number;
  /** Of the first of those that was committed: a view that holds it shows what became of the placement. */
  readonly revision: Revision;
};

/** By VM; a later transaction of the same VM takes the place of an earlier one, since they exclude each other. */
export type Doubts = ReadonlyMap<VmId, Doubt>;

/**
 * PL1: what may have been promised counts until the view shows whether it was: the store may have carried the transaction
 * out, and what tells of that be late.
 */
export function doubt(doubts: Doubts, places: readonly Placing[], nextId: number): Doubts {
  if (places.length === 0) return doubts;
  const more = places.map(({ vm, on }): [VmId, Doubt] => [vm, { on, before: nextId, revision: noRevision }]);
  return new Map([...doubts, ...more]);
}

/** A tick or a claim of this process, which it sent as `id`, is committed. */
export function datedDoubts(doubts: Doubts, id: number, revision: Revision): Doubts {
  const isDated = (one: Doubt): boolean => one.revision === noRevision && id >= one.before;
  if (![...doubts.values()].some(isDated)) return doubts;
  return new Map([...doubts].map(([vm, one]) => [vm, isDated(one) ? { ...one, revision } : one]));
}

/** Without those of which a view of this revision shows what became of them. */
export function seenThrough(doubts: Doubts, seen: Revision): Doubts {
  if (doubts.size === 0) return doubts;
  const isSeen = ({ revision }: Doubt): boolean => revision !== noRevision && revision <= seen;
  return [...doubts.values()].some(isSeen) ? new Map([...doubts].filter(([, one]) => !isSeen(one))) : doubts;
}

/** Where VMs go by transactions that are under way, or may have been carried out. */
export function promisedBy(
  doubts: Doubts,
  pending: ReadonlyMap<number, { readonly places?: readonly Placing[] }>,
): ReadonlyMap<VmId, HostId> {
  const promised = new Map([...doubts].map(([vm, { on }]): [VmId, HostId] => [vm, on]));
  for (const { places = [] } of pending.values()) for (const { vm, on } of places) promised.set(vm, on);
  return promised;
}
