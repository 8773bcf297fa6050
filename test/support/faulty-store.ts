import type { SeededRandom } from "../../src/base/random.ts";
import { later, type Revision, type StoreKey } from "../../src/model/ids.ts";
import type { CommitEnd, StoredValue, Transaction } from "../../src/model/transaction.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { SnapshotEnd, Store } from "../../src/ports/store.ts";

/** A store behind a bad network on a virtual clock: requests and answers are late, lost, or cut off. */
export interface FaultyStore extends Store {
  /** At once and without faults: what a manager next to the store sees. */
  read(key: StoreKey): StoredValue | undefined;
  write(transaction: Transaction): CommitEnd;
  setCut(cut: boolean): void;
  /** How late a request or an answer may be, each. */
  setDelay(maxMs: number): void;
}

export function faultyStore(clock: Clock, random: SeededRandom): FaultyStore {
  const values = new Map<StoreKey, StoredValue>();
  let revision = 1;
  let cut = false;
  let delayMaxMs = 5;
  const soon = (act: () => void): void => {
    // Cut in between: the message is lost, also one that is under way.
    if (cut || random.chance(0.02)) return;
    clock.wakeAt(later(clock.now(), random.below(delayMaxMs + 1)), () => {
      if (!cut) act();
    });
  };
  /** One end, whichever comes first: the answer or the time-out. */
  const bounded = <T>(timeoutMs: number, unknown: T, done: (end: T) => void): ((end: T) => void) => {
    let ended = false;
    const end = (value: T): void => {
      if (ended) return;
      ended = true;
      done(value);
    };
    clock.wakeAt(later(clock.now(), timeoutMs), () => end(unknown));
    return end;
  };
  const write = (transaction: Transaction): CommitEnd => {
    const holds = transaction.compares.every((compare) => {
      const found = values.get(compare.key);
      return compare.kind === "absent" ? found === undefined : found?.revision === compare.revision;
    });
    if (!holds) {
      const found = transaction.compares
        .map((compare) => values.get(compare.key))
        .filter((value) => value !== undefined);
      return { kind: "refused", found, revision: revision as Revision };
    }
    revision++;
    for (const one of transaction.writes) {
      if (one.kind === "delete") values.delete(one.key);
      else values.set(one.key, { key: one.key, text: one.text, revision: revision as Revision });
    }
    return { kind: "committed", revision: revision as Revision };
  };
  return {
    read: (key) => values.get(key),
    write,
    setCut: (next) => {
      cut = next;
    },
    setDelay: (maxMs) => {
      delayMaxMs = maxMs;
    },
    snapshot: (prefix, done) => {
      const end = bounded<SnapshotEnd>(1_500, { kind: "unknown", cause: "timeout" }, done);
      soon(() => {
        const found = [...values.values()].filter((value) => value.key.startsWith(prefix));
        soon(() => end({ kind: "done", values: found, revision: revision as Revision }));
      });
    },
    commit: (transaction, timeoutMs, done) => {
      const end = bounded<CommitEnd>(timeoutMs, { kind: "unknown", cause: "timeout" }, done);
      soon(() => {
        const result = write(transaction);
        soon(() => end(result));
      });
    },
    watch: () => {
      throw new Error("The heart watches nothing");
    },
  };
}
