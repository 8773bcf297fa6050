import type { ClusterId, Revision, StoreKey } from "../../model/ids.ts";
import type { CommitEnd, SnapshotEnd, Store, Transaction, WatchEvent } from "../../ports/store.ts";
import { assertPrefix, assertTransaction } from "../../ports/store-rules.ts";
import { causeOf } from "./failure.ts";
import { limits } from "./limits.ts";
import { createMaintenance, type StoreMaintenance } from "./maintenance.ts";
import { createMembership, type StoreMembership } from "./membership.ts";
import { openPool, type Pool, type PoolOptions } from "./pool.ts";
import { rpc } from "./rpc.ts";
import { commitEnd, rangeEnd, storedValue, txnRequest } from "./transaction.ts";
import { Watch } from "./watch.ts";

export type EtcdStoreOptions = PoolOptions & { readonly cluster: ClusterId };

/** The store, with what only its keepers use. `close` ends every watch; calls under way end as `unknown`. */
export type EtcdStore = Store & {
  readonly maintenance: StoreMaintenance;
  readonly membership: StoreMembership;
  /** Everything as the first endpoint's member has it on its own, without asking the others: it may be old (S23). */
  peek(done: (end: SnapshotEnd) => void): void;
  close(): void;
};

/** The part of a key that is not Holdfast's own business: two clusters on one etcd would never see each other. */
export function rootOf(cluster: ClusterId): string {
  return `/holdfast/${cluster}`;
}

/**
 * A client of the cluster's etcd. Connects by itself and stays connected; a member that cannot be reached is no error.
 * Throws for endpoints and PEM texts that are none; adapters/pki tells before why a certificate will not do.
 */
export function openEtcdStore(options: EtcdStoreOptions): EtcdStore {
  const pool = openPool(options);
  const root = rootOf(options.cluster);
  const watches = new Set<Watch>();
  return {
    snapshot: (prefix, done) => snapshot(pool, root, prefix, done),
    commit: (transaction, timeoutMs, done) => commit(pool, root, transaction, timeoutMs, done),
    watch(prefix, after, listen) {
      const watch = openWatch(pool, root, prefix, after, (event) => {
        if (event.kind === "compacted") watches.delete(watch);
        listen(event);
      });
      watches.add(watch);
      return () => {
        watch.stop();
        watches.delete(watch);
      };
    },
    maintenance: createMaintenance(pool),
    membership: createMembership(pool),
    peek: (done) => peek(pool, root, done),
    close() {
      for (const watch of watches) watch.stop();
      watches.clear();
      pool.close();
    },
  };
}

function snapshot(pool: Pool, root: string, prefix: StoreKey, done: (end: SnapshotEnd) => void): void {
  assertPrefix(prefix);
  const key = root + prefix;
  const times = { timeoutMs: limits.snapshotMs, attemptMs: limits.snapshotAttemptMs, repeat: "always" } as const;
  pool.call(rpc.range, { key, rangeEnd: rangeEnd(key) }, times, (end) => {
    if (end.kind === "failed") return done({ kind: "unknown", cause: causeOf(end.failure) });
    const revision = Number(end.response.header?.revision ?? 0) as Revision;
    pool.noteRevision(revision);
    done({ kind: "done", values: end.response.kvs.map((kv) => storedValue(root, kv)), revision });
  });
}

function peek(pool: Pool, root: string, done: (end: SnapshotEnd) => void): void {
  const [own] = pool.endpoints;
  if (own === undefined || !own.ready()) {
    done({ kind: "unknown", cause: `not-connected: ${own?.trouble()}` });
    return;
  }
  const key = `${root}/`;
  own.ask(rpc.range, { key, rangeEnd: rangeEnd(key), serializable: true }, limits.snapshotAttemptMs, (end) => {
    if (end.kind === "failed") return done({ kind: "unknown", cause: causeOf(end.failure) });
    const revision = Number(end.response.header?.revision ?? 0) as Revision;
    done({ kind: "done", values: end.response.kvs.map((kv) => storedValue(root, kv)), revision });
  });
}

function commit(
  pool: Pool,
  root: string,
  transaction: Transaction,
  timeoutMs: number,
  done: (end: CommitEnd) => void,
): void {
  assertTransaction(transaction);
  const times = { timeoutMs, attemptMs: timeoutMs, repeat: "never-taken" } as const;
  pool.call(rpc.txn, txnRequest(root, transaction), times, (end) => {
    // `rejected` has changed nothing, but the port has no value for that without the keys' state; the cause tells it.
    if (end.kind === "failed") return done({ kind: "unknown", cause: causeOf(end.failure) });
    const outcome = commitEnd(root, end.response);
    if (outcome.kind !== "unknown") pool.noteRevision(outcome.revision);
    done(outcome);
  });
}

function openWatch(
  pool: Pool,
  root: string,
  prefix: StoreKey,
  after: Revision,
  listen: (event: WatchEvent) => void,
): Watch {
  assertPrefix(prefix);
  const key = root + prefix;
  return new Watch(pool, { key, rangeEnd: rangeEnd(key), root }, after, listen);
}
