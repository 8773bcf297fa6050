import type { Revision, StoreKey } from "./ids.ts";
import type { Params } from "./reason.ts";

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

/**
 * What a committer answers: the store's word, or `too-large`. The store takes no transaction of that many compares or writes:
 * it was not sent, and decided again it would be the same.
 */
export type CommitterEnd = CommitEnd | { readonly kind: "too-large"; readonly params: Params };

export type Change =
  | { readonly kind: "put"; readonly key: StoreKey; readonly text: string; readonly revision: Revision }
  | { readonly kind: "delete"; readonly key: StoreKey; readonly revision: Revision };
