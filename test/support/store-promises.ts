import type { Revision, StoreKey } from "../../src/model/ids.ts";
import type {
  Change,
  CommitEnd,
  Compare,
  SnapshotEnd,
  Store,
  Transaction,
  WatchEvent,
  Write,
} from "../../src/ports/store.ts";

/** Long enough for an election on a busy machine; a test never waits for it to pass. */
export const patientMs = 15_000;

export const key = (text: string): StoreKey => text as StoreKey;
export const absent = (of: StoreKey): Compare => ({ kind: "absent", key: of });
export const at = (of: StoreKey, revision: Revision): Compare => ({ kind: "revision", key: of, revision });
export const put = (to: StoreKey, text: string): Write => ({ kind: "put", key: to, text });
export const drop = (of: StoreKey): Write => ({ kind: "delete", key: of });

export function commit(store: Store, transaction: Partial<Transaction>, timeoutMs = patientMs): Promise<CommitEnd> {
  return new Promise((resolve) => store.commit({ compares: [], writes: [], ...transaction }, timeoutMs, resolve));
}

/** The revision of a commit that must succeed. */
export async function committed(store: Store, transaction: Partial<Transaction>): Promise<Revision> {
  const end = await commit(store, transaction);
  if (end.kind !== "committed") throw new Error(`Expected a commit, got ${JSON.stringify(end)}`);
  return end.revision;
}

export function snapshot(store: Store, prefix: StoreKey): Promise<SnapshotEnd> {
  return new Promise((resolve) => store.snapshot(prefix, resolve));
}

/** Key → text of a snapshot that must succeed. */
export async function values(store: Store, prefix: StoreKey): Promise<ReadonlyMap<string, string>> {
  const end = await snapshot(store, prefix);
  if (end.kind !== "done") throw new Error(`Expected a snapshot, got ${JSON.stringify(end)}`);
  return new Map(end.values.map((value) => [value.key, value.text]));
}

/** Collects a watch, and lets a test wait for what it must bring. */
export class Watched {
  readonly events: WatchEvent[] = [];
  readonly stop: () => void;
  #check: () => void = () => {};

  constructor(store: Store, prefix: StoreKey, after: Revision) {
    this.stop = store.watch(prefix, after, (event) => {
      this.events.push(event);
      this.#check();
    });
  }

  get changes(): readonly Change[] {
    return this.events.flatMap((event) => (event.kind === "changes" ? event.changes : []));
  }

  /** Each change in short: `+key=text@revision`, `-key@revision`. */
  get story(): readonly string[] {
    return this.changes.map((change) =>
      change.kind === "put" ? `+${change.key}=${change.text}@${change.revision}` : `-${change.key}@${change.revision}`,
    );
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (holds()) resolve();
      };
      this.#check();
    });
  }
}

/** Waits for a condition that no event announces; fails only after a generous limit. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsAt = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`Waited 30 s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
