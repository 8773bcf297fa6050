import type { Cluster } from "../../lab/cluster.ts";
import type { MemberHealth } from "../../src/adapters/etcd/maintenance.ts";
import { type EtcdStore, openEtcdStore } from "../../src/adapters/etcd/store.ts";
import type { Revision, StoreKey } from "../../src/model/ids.ts";
import type { Change } from "../../src/ports/store.ts";

/** What a key held and when this process first heard of it. `text` undefined: it was deleted. */
export type Seen = {
  readonly key: StoreKey;
  readonly text: string | undefined;
  readonly revision: Revision;
  readonly at: number;
};

/** The store seen from outside. Every member is watched on its own: the first one to tell of a commit counts. */
export interface StoreWatch {
  latest(key: StoreKey): Seen | undefined;
  /** All that stand under a prefix and are not deleted. */
  under(prefix: string): readonly Seen[];
  /** Each change once, at its first receipt. Returns the stop. */
  listen(listener: (seen: Seen) => void): () => void;
  /** In the order of the hosts. */
  health(): Promise<readonly MemberHealth[]>;
  close(): void;
}

const everything = "/" as StoreKey;
const retryMs = 300;

export async function watchStore(cluster: Cluster): Promise<StoreWatch> {
  const { cert, key, ca } = cluster.identity;
  const endpoints = await cluster.storeEndpoints();
  const open = (list: readonly string[]): EtcdStore =>
    openEtcdStore({ endpoints: list, tls: { cert, key, ca }, cluster: cluster.id });
  const asked = open(endpoints);
  const members = endpoints.map((endpoint) => open([endpoint]));
  const known = new Map<StoreKey, Seen>();
  const listeners = new Set<(seen: Seen) => void>();
  const note = (seen: Seen): void => {
    if ((known.get(seen.key)?.revision ?? 0) >= seen.revision) return;
    known.set(seen.key, seen);
    for (const listener of listeners) listener(seen);
  };
  const stops = members.map((member) => follow(member, note));
  return {
    latest: (wanted) => known.get(wanted),
    under: (prefix) => [...known.values()].filter((seen) => seen.text !== undefined && seen.key.startsWith(prefix)),
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    health: () => asked.maintenance.health(),
    close: () => {
      for (const stop of stops) stop();
      for (const store of [...members, asked]) store.close();
    },
  };
}

/** Snapshot, then changes; again from the start where history is gone. Returns the stop. */
function follow(store: EtcdStore, note: (seen: Seen) => void): () => void {
  let stopped = false;
  let stopWatch: () => void = () => undefined;
  const begin = (): void => {
    if (stopped) return;
    store.snapshot(everything, (end) => {
      if (stopped) return;
      if (end.kind === "unknown") {
        setTimeout(begin, retryMs).unref();
        return;
      }
      const at = performance.now();
      for (const { key, text, revision } of end.values) note({ key, text, revision, at });
      stopWatch = store.watch(everything, end.revision, (event) => {
        if (event.kind === "compacted") begin();
        else for (const change of event.changes) note(seenOf(change));
      });
    });
  };
  begin();
  return () => {
    stopped = true;
    stopWatch();
  };
}

function seenOf(change: Change): Seen {
  const text = change.kind === "put" ? change.text : undefined;
  return { key: change.key, text, revision: change.revision, at: performance.now() };
}
