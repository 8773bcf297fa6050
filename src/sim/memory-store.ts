import { noRevision, type Revision, type StoreKey } from "../model/ids.ts";
import type {
  Change,
  CommitEnd,
  Compare,
  SnapshotEnd,
  Store,
  StoredValue,
  Transaction,
  WatchEvent,
} from "../ports/store.ts";
import { assertPrefix, assertTransaction } from "../ports/store-rules.ts";

export type MemoryStoreOptions = {
  /** Runs what goes back to a caller. The simulator delays, drops and reorders here; default: `queueMicrotask`. */
  readonly schedule?: (deliver: () => void) => void;
};

/**
 * The store without network and disk. All state changes happen inside the call, in the order of the calls; only answers
 * go through `schedule`. One change is one object for all watchers.
 */
export type MemoryStore = Store & {
  /** Forgets the history up to and including `revision`. A watch that starts before it ends as `compacted`. */
  compact(revision: Revision): void;
  /** The newest revision: the number of commits that changed something, plus one, as in etcd. */
  revision(): Revision;
};

type HistoryEntry = { readonly revision: Revision; readonly changes: readonly Change[] };
type Watcher = { readonly prefix: StoreKey; readonly listen: (event: WatchEvent) => void; stopped: boolean };

export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new MemoryStoreCore(options.schedule ?? queueMicrotask);
}

class MemoryStoreCore implements MemoryStore {
  readonly #schedule: (deliver: () => void) => void;
  readonly #values = new Map<StoreKey, StoredValue>();
  readonly #watchers = new Set<Watcher>();
  /** Everything after `#compacted`, in order of revision. */
  #history: HistoryEntry[] = [];
  #compacted: Revision = noRevision;
  #revision = 1 as Revision;

  constructor(schedule: (deliver: () => void) => void) {
    this.#schedule = schedule;
  }

  revision(): Revision {
    return this.#revision;
  }

  snapshot(prefix: StoreKey, done: (end: SnapshotEnd) => void): void {
    assertPrefix(prefix);
    const values: StoredValue[] = [];
    for (const value of this.#values.values()) if (value.key.startsWith(prefix)) values.push(value);
    values.sort((a, b) => (a.key < b.key ? -1 : 1));
    const end: SnapshotEnd = { kind: "done", values, revision: this.#revision };
    this.#schedule(() => done(end));
  }

  commit(transaction: Transaction, _timeoutMs: number, done: (end: CommitEnd) => void): void {
    assertTransaction(transaction);
    const end = transaction.compares.every((compare) => this.#holds(compare))
      ? this.#apply(transaction)
      : this.#refuse(transaction);
    this.#schedule(() => done(end));
  }

  watch(prefix: StoreKey, after: Revision, listen: (event: WatchEvent) => void): () => void {
    assertPrefix(prefix);
    const watcher: Watcher = { prefix, listen, stopped: false };
    if (after < this.#compacted) {
      this.#deliver(watcher, { kind: "compacted" });
    } else {
      for (const entry of this.#after(after)) this.#notify(watcher, entry);
      this.#watchers.add(watcher);
    }
    return () => {
      watcher.stopped = true;
      this.#watchers.delete(watcher);
    };
  }

  compact(revision: Revision): void {
    if (revision <= this.#compacted || revision > this.#revision) return;
    this.#history = this.#after(revision);
    this.#compacted = revision;
  }

  #holds(compare: Compare): boolean {
    const revision = this.#values.get(compare.key)?.revision ?? noRevision;
    return revision === (compare.kind === "absent" ? noRevision : compare.revision);
  }

  #refuse(transaction: Transaction): CommitEnd {
    const keys = new Set(transaction.compares.map((compare) => compare.key));
    const found = [...keys].flatMap((key) => this.#values.get(key) ?? []);
    return { kind: "refused", found, revision: this.#revision };
  }

  #apply(transaction: Transaction): CommitEnd {
    const revision = (this.#revision + 1) as Revision;
    const changes: Change[] = [];
    for (const write of transaction.writes) {
      const { key } = write;
      if (write.kind === "put") {
        this.#values.set(key, { key, text: write.text, revision });
        changes.push({ kind: "put", key, text: write.text, revision });
      } else if (this.#values.delete(key)) {
        changes.push({ kind: "delete", key, revision });
      }
    }
    // What changes nothing takes no revision, as in etcd: a compare alone, the deletion of an absent key.
    if (changes.length > 0) {
      this.#revision = revision;
      const entry = { revision, changes };
      this.#history.push(entry);
      for (const watcher of this.#watchers) this.#notify(watcher, entry);
    }
    return { kind: "committed", revision: this.#revision };
  }

  #notify(watcher: Watcher, { revision, changes }: HistoryEntry): void {
    const wanted = changes.filter((change) => change.key.startsWith(watcher.prefix));
    if (wanted.length > 0) this.#deliver(watcher, { kind: "changes", changes: wanted, revision });
  }

  #deliver(watcher: Watcher, event: WatchEvent): void {
    this.#schedule(() => {
      if (!watcher.stopped) watcher.listen(event);
    });
  }

  /** History after `revision`; found by bisection, the list is in order. */
  #after(revision: Revision): HistoryEntry[] {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle]?.revision ?? noRevision) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }
}
