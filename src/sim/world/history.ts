import { noRevision, type Revision, type StoreKey } from "../../model/ids.ts";
import type { Change } from "../../model/transaction.ts";
import type { MemoryStore } from "../memory-store.ts";

export type Commit = { readonly revision: Revision; readonly changes: readonly Change[] };

/** Every commit of the store in order, as long as it is not compacted: what watches replay and what truth is read from. */
export class History {
  #commits: Commit[] = [];
  compacted: Revision = noRevision;
  readonly #listeners = new Set<(commit: Commit) => void>();

  constructor(store: MemoryStore) {
    store.watch("/" as StoreKey, noRevision, (event) => {
      if (event.kind !== "changes") return;
      const commit = { revision: event.revision, changes: event.changes };
      this.#commits.push(commit);
      for (const listen of this.#listeners) listen(commit);
    });
  }

  /** Returns the stop. */
  onCommit(listen: (commit: Commit) => void): () => void {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  newest(): Revision {
    return this.#commits.at(-1)?.revision ?? this.compacted;
  }

  compact(revision: Revision): void {
    this.compacted = Math.max(this.compacted, revision) as Revision;
    this.#commits = this.after(this.compacted);
  }

  after(revision: Revision): Commit[] {
    let low = 0;
    let high = this.#commits.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#commits[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#commits.slice(low);
  }
}
