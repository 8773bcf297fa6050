import { assert } from "../base/assert.ts";
import type { HostId, StoreKey } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HostRegistration, ManagerTerm } from "../model/records.ts";
import type { Compare, Transaction, Write } from "../model/transaction.ts";
import type { Stored } from "../model/view.ts";

/** Every write names what it has read (optimistic): the store decides who was first. */
export function unchanged(key: StoreKey, stored: Stored<unknown> | undefined): Compare {
  return stored === undefined ? { kind: "absent", key } : { kind: "revision", key, revision: stored.revision };
}

export function put<T extends { readonly schema: 1 }>(key: StoreKey, record: T): Write {
  return { kind: "put", key, text: JSON.stringify(record) };
}

export function remove(key: StoreKey): Write {
  return { kind: "delete", key };
}

/** The host still runs this very incarnation and nobody fenced it: what a start and a change of owner rest on. */
export function stillIn(host: HostId, registration: Stored<HostRegistration>): Compare[] {
  return [
    unchanged(keys.host(host), registration),
    { kind: "absent", key: keys.fence(host, registration.value.incarnation) },
  ];
}

/** The manager's term is still this one (S12): part of each transaction that a leader writes. */
export function inTerm(term: Stored<ManagerTerm>): Compare {
  return unchanged(keys.managerTerm, term);
}

export function transaction(compares: readonly Compare[], writes: readonly Write[]): Transaction {
  const written = new Set(writes.map((write) => write.key));
  assert(written.size === writes.length, "Cannot write a key twice in one transaction");
  assert(compares.length > 0, "Cannot write without having read: a transaction needs a compare");
  return { compares, writes };
}
