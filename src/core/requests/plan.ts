import type { StoreKey, WallMs } from "../../model/ids.ts";
import type { Refusal } from "../../model/reason.ts";
import type { Actor, EventDraft, Outcome } from "../../model/records.ts";
import type { Compare, Transaction, Write } from "../../model/transaction.ts";
import type { Stored } from "../../model/view.ts";

/** Who asks, and when by the wall clock (for people only). */
export type Asked = { readonly actor: Actor; readonly at: WallMs };

/** A request that may be carried out: all of it in one transaction, or nothing. */
export type Plan = {
  readonly kind: "plan";
  readonly transaction: Transaction;
  readonly outcome: Outcome;
  /** What is to be told once it is committed. */
  readonly events: readonly EventDraft[];
};
export type Planned = Plan | Refusal;

export function put(key: StoreKey, record: object): Write {
  return { kind: "put", key, text: JSON.stringify(record) };
}

export function remove(key: StoreKey): Write {
  return { kind: "delete", key };
}

export function absent(key: StoreKey): Compare {
  return { kind: "absent", key };
}

/** The record is still the one that was read; absent where none was. */
export function unchanged(key: StoreKey, read: Stored<unknown> | undefined): Compare {
  return read === undefined ? absent(key) : { kind: "revision", key, revision: read.revision };
}
