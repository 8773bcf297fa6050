import { assert } from "../base/assert.ts";
import type { Transaction } from "./store.ts";

/** What etcd takes in one transaction (its `--max-txn-ops`), counted for compares and for writes. */
export const transactionOpsMax = 128;

/** Whether etcd would refuse it for its size; never asked of the store, where it would end the process. */
export function isTooLarge({ compares, writes }: Transaction): boolean {
  return compares.length > transactionOpsMax || writes.length > transactionOpsMax;
}

/** A caller's duties with a transaction, asserted in every world alike: what etcd would refuse must not pass the simulator. */
export function assertTransaction(transaction: Transaction): void {
  const { compares, writes } = transaction;
  assert(
    compares.length <= transactionOpsMax,
    () => `Cannot commit: ${compares.length} compares > ${transactionOpsMax}`,
  );
  assert(writes.length <= transactionOpsMax, () => `Cannot commit: ${writes.length} writes > ${transactionOpsMax}`);
  const written = new Set<string>();
  for (const { key } of writes) {
    assert(key.startsWith("/") && key.endsWith("/"), () => `Cannot write ${key}: a key starts and ends with a slash`);
    assert(!written.has(key), () => `Cannot write ${key} twice in one transaction`);
    written.add(key);
  }
}

export function assertPrefix(prefix: string): void {
  assert(prefix.startsWith("/"), () => `Cannot read ${prefix}: a prefix starts with a slash`);
  assert(prefix.endsWith("/"), () => `Cannot read ${prefix}: a prefix ends with a slash, or h1 would also mean h10`);
}
