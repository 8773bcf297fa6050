import type { EventDraft } from "../model/records.ts";
import type { CommitterEnd, Transaction } from "../model/transaction.ts";

/**
 * Commits a transaction together with the events that tell of it, in this host's chain; `done` is called once. `once`:
 * it is sent at once or not at all, and an unknown outcome is passed on; the caller decides anew on what it then sees.
 */
export type CommitWithEvents = (
  transaction: Transaction,
  events: readonly EventDraft[],
  done: (end: CommitterEnd) => void,
  once?: boolean,
) => void;
