import type { Revision, StoreKey } from "../model/ids.ts";

/** One key as it stands at `revision` (its own last change, etcd's mod_revision). */
export type StoredValue = { readonly key: StoreKey; readonly text: string; readonly revision: Revision };

/** What a transaction requires. `absent` and `revision` of several keys hold at one moment or not at all. */
export type Compare =
  | { readonly kind: "absent"; readonly key: StoreKey }
  | { readonly kind: "revision"; readonly key: StoreKey; readonly revision: Revision };

export type Write =
  | { readonly kind: "put"; readonly key: StoreKey; readonly text: string }
  | { readonly kind: "delete"; readonly key: StoreKey };

/** All compares hold: all writes happen, at one revision. One fails: nothing happens. No key is written twice. */
export type Transaction = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };

/**
 * The three endings of a commit. `refused` tells the compared keys as they stood at that moment (absent ones are missing).
 * `unknown`: it may have happened, or may yet happen; only a transaction whose compares make repetition harmless is repeated.
 */
export type CommitEnd =
  | { readonly kind: "committed"; readonly revision: Revision }
  | { readonly kind: "refused"; readonly found: readonly StoredValue[]; readonly revision: Revision }
  | { readonly kind: "unknown"; readonly cause: string };

export type SnapshotEnd =
  | { readonly kind: "done"; readonly values: readonly StoredValue[]; readonly revision: Revision }
  | { readonly kind: "unknown"; readonly cause: string };

export type Change =
  | { readonly kind: "put"; readonly key: StoreKey; readonly text: string; readonly revision: Revision }
  | { readonly kind: "delete"; readonly key: StoreKey; readonly revision: Revision };

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
