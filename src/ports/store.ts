import type { Revision, StoreKey } from "../model/ids.ts";
import type { Change, CommitEnd, StoredValue, Transaction } from "../model/transaction.ts";

export type { Change, CommitEnd, Compare, StoredValue, Transaction, Write } from "../model/transaction.ts";

export type SnapshotEnd =
  | { readonly kind: "done"; readonly values: readonly StoredValue[]; readonly revision: Revision }
  | { readonly kind: "unknown"; readonly cause: string };

/**
 * `changes` come in order of revision, none is missing and none comes twice; those of one transaction come together.
 * `compacted`: history up to the wanted revision is gone; take a snapshot and watch from there. The watch has ended.
 */
export type WatchEvent =
  | { readonly kind: "changes"; readonly changes: readonly Change[]; readonly revision: Revision }
  | { readonly kind: "compacted" };

/** The cluster's store. No method throws for what a network or a server does; each callback is called exactly once. */
export interface Store {
  /** All keys that start with `prefix` (linearizable). */
  snapshot(prefix: StoreKey, done: (end: SnapshotEnd) => void): void;
  /** `timeoutMs` bounds the wait for the answer, not what the store does meanwhile: after it the end is `unknown`. */
  commit(transaction: Transaction, timeoutMs: number, done: (end: CommitEnd) => void): void;
  /** Changes under `prefix` after revision `after`, until stopped; resumes by itself after trouble. Returns the stop. */
  watch(prefix: StoreKey, after: Revision, listen: (event: WatchEvent) => void): () => void;
}
