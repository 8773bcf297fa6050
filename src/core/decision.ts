import type { HostId, Incarnation, InstantMs, VmId } from "../model/ids.ts";
import type { Alternative, Params, Reason } from "../model/reason.ts";
import { type EventDraft, systemActor } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import type { Knowledge } from "./placement/knowledge.ts";
import type { BalanceState } from "./placement/rebalance.ts";
import type { Turns } from "./start-order.ts";

/** What the manager's process knows beside the store when it decides. */
export type ManagerKnowledge = Knowledge & {
  readonly self: HostId;
  /** Since when this process has seen a fence record that carries no proof of its own, by `fenceKey` (S9). */
  readonly fencesSeenAt: ReadonlyMap<string, number>;
  /** Since when this process has seen a VM's moves fail so often, by `failureKey` (HM2). */
  readonly failuresSeenAt: ReadonlyMap<string, number>;
  /** What is coming up, for the order of starts (HM6). */
  readonly turns: Turns;
  readonly ownWaitMs: number;
  /** Hosts on which nothing runs any more, as far as this process can tell. */
  readonly lost: ReadonlySet<HostId>;
  /** How often in a row the hosts were found uneven (PL5). */
  readonly balance: BalanceState;
  /** Since when this process leads; null where it does not. */
  readonly leadingSince: InstantMs | null;
};

/** One transaction with the events that tell of it. `subject`: what is busy until the view has caught up with it. */
export type Decision = {
  readonly subject: string;
  readonly transaction: Transaction;
  readonly events: readonly EventDraft[];
  /** It rests on what was true at this moment alone: where its outcome is unknown it is decided anew, not sent again. */
  readonly once?: true;
  /** Room that is promised from now on, while the transaction is under way (PL1). */
  readonly places?: readonly Placing[];
};

/** Where a VM goes by a decision: to start there, or to be moved there. */
export type Placing = { readonly vm: VmId; readonly on: HostId };

/** Something to be said once while it lasts, without a change of its own. */
export type Notice = {
  readonly subject: string;
  readonly event: EventDraft;
  /** The event with what takes long to work out; asked for only when it is said. */
  readonly full?: (() => EventDraft) | undefined;
};

export type Decided = {
  readonly decisions: readonly Decision[];
  readonly notices: readonly Notice[];
  /** Not everything was looked at: what was said of the rest still holds. */
  readonly partial?: true;
  /** Subjects that were not looked at: what was said of them still holds. */
  readonly unseen?: ReadonlySet<string>;
  /** Decide again at this moment even if nothing changes; undefined: only on a change. */
  readonly wakeAt: number | undefined;
};

export function fenceKey(host: HostId, incarnation: Incarnation): string {
  return `${host}/${incarnation}`;
}

/** The inverse of `fenceKey`. */
export function parseFenceKey(key: string): { readonly host: HostId; readonly incarnation: Incarnation } {
  const cut = key.lastIndexOf("/");
  return { host: key.slice(0, cut) as HostId, incarnation: Number(key.slice(cut + 1)) as Incarnation };
}

export function event(
  type: string,
  subjects: { readonly vm?: VmId; readonly host?: HostId },
  params: Params,
  reason: Reason | null = null,
  alternatives: readonly Alternative[] = [],
): EventDraft {
  return { type, subjects, params, reason, alternatives: [...alternatives], actor: systemActor };
}
