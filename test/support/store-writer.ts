import { expect } from "vitest";
import { must } from "../../src/base/assert.ts";
import type { StoreKey } from "../../src/model/ids.ts";
import type { CommitEnd, Store } from "../../src/ports/store.ts";
import { absent, commit, eventually, key, put } from "./store-promises.ts";

/** Waits, or lets virtual time pass, until it holds; throws with `what` where it never does. */
export type Until = (what: string, holds: () => boolean) => Promise<void>;

const soon: Until = (what, holds) => eventually(holds, what);

/** Commits a new key each time, until stopped; keeps every end. */
export class Writer {
  readonly ends: CommitEnd[] = [];
  readonly keys: StoreKey[] = [];
  longestGapMs = 0;
  #stopping = false;
  #stopped = false;
  readonly #until: Until;

  constructor(store: Store, prefix: StoreKey, name: string, timeoutMs: number, until = soon) {
    this.#until = until;
    void this.#run(store, prefix, name, timeoutMs);
  }

  get commits(): number {
    return this.#count("committed");
  }

  /** Waits until `more` further commits went through. */
  goesOn(more: number): Promise<void> {
    return this.#untilMore("committed", more);
  }

  /** Waits until `more` further ones ended, and nobody knows how. */
  isInDoubt(more: number): Promise<void> {
    return this.#untilMore("unknown", more);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#until("the writer has stopped", () => this.#stopped);
  }

  #count(kind: CommitEnd["kind"]): number {
    return this.ends.filter((end) => end.kind === kind).length;
  }

  async #untilMore(kind: CommitEnd["kind"], more: number): Promise<void> {
    const wanted = this.#count(kind) + more;
    await this.#until(`${more} more ends are ${kind}`, () => this.#count(kind) >= wanted);
  }

  async #run(store: Store, prefix: StoreKey, name: string, timeoutMs: number): Promise<void> {
    let last = performance.now();
    for (let i = 0; !this.#stopping; i++) {
      const k = key(`${prefix}${name}${i}/`);
      const end = await commit(store, { compares: [absent(k)], writes: [put(k, `${i}`)] }, timeoutMs);
      this.keys.push(k);
      this.ends.push(end);
      if (end.kind === "committed") {
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - last);
        last = performance.now();
      }
    }
    this.#stopped = true;
  }
}

/** Committed: it is there. Refused never happens, each key is new. Unknown: either. */
export function expectNothingLost(there: ReadonlyMap<string, string>, writers: readonly Writer[]): void {
  for (const writer of writers) {
    writer.ends.forEach((end, i) => {
      expect(end.kind).not.toBe("refused");
      if (end.kind === "committed") expect(there.has(must(writer.keys[i], "a key for each end"))).toBe(true);
    });
  }
}
