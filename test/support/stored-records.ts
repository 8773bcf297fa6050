import type { HostId, StoreKey } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Transaction } from "../../src/model/transaction.ts";
import { applyChanges } from "../../src/model/view.ts";
import { createMemoryStore } from "../../src/sim/memory-store.ts";
import { Records } from "./records.ts";

/** Records in a store that commits, with the view that decisions rest on. */
export class StoredRecords {
  readonly records = new Records();
  readonly store = createMemoryStore({ schedule: (deliver) => deliver() });

  constructor() {
    this.store.watch(keys.cluster.slice(0, 1) as StoreKey, this.store.revision(), (event) => {
      if (event.kind === "changes") applyChanges(this.records.view, event.changes, event.revision);
    });
  }

  get view() {
    return this.records.view;
  }

  put(key: StoreKey, record: object): this {
    this.#commit({ compares: [], writes: [{ kind: "put", key, text: JSON.stringify(record) }] });
    return this;
  }

  register(id: HostId, n: number): this {
    return this.put(keys.host(id), { schema: 1, incarnation: n, nonce: `${n}`, machine: id, registeredAt: 0 });
  }

  /** Whether the store takes it. */
  commit(made: { kind: string } & Partial<{ transaction: Transaction }>): boolean {
    if (made.transaction === undefined) throw new Error(`There is nothing to commit: ${JSON.stringify(made)}`);
    return this.#commit(made.transaction);
  }

  #commit(transaction: Transaction): boolean {
    let kind = "";
    this.store.commit(transaction, 1_000, (end) => {
      ({ kind } = end);
    });
    return kind === "committed";
  }
}
