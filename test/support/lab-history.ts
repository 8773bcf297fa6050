import type { Cluster } from "../../lab/cluster.ts";
import { type EtcdStore, openEtcdStore } from "../../src/adapters/etcd/store.ts";
import type { StoreKey } from "../../src/model/ids.ts";
import { noRevision } from "../../src/model/ids.ts";
import { type KeyName, parseKey } from "../../src/model/keys.ts";
import type { Event, FenceRecord, Owner } from "../../src/model/records.ts";
import { applyChanges, type ClusterView, emptyView } from "../../src/model/view.ts";

/** One change of the store as this process received it (`at`: `performance.now()`); `value` is null where it was removed. */
export type Entry = {
  readonly revision: number;
  readonly at: number;
  readonly key: string;
  readonly name: KeyName;
  readonly value: unknown;
};

export type FenceName = Extract<KeyName, { kind: "heartbeat" | "fence" }>;

/** All that was ever committed in this lab, in order: the store itself is the witness of what came before what. */
export interface History {
  readonly entries: readonly Entry[];
  readonly view: ClusterView;
  /** When a heartbeat of a host was last received; -Infinity: never. */
  heardAt(host: string): number;
  fences(host?: string): readonly (Entry & { readonly name: FenceName; readonly fence: FenceRecord })[];
  owners(vm: string): readonly (Entry & { readonly owner: Owner })[];
  events(type?: string): readonly (Entry & { readonly event: Event })[];
  close(): void;
}

export async function readHistory(cluster: Cluster): Promise<History> {
  const { cert, key, ca } = cluster.identity;
  const endpoints = [...(await cluster.storeEndpoints())];
  const store: EtcdStore = openEtcdStore({ endpoints, tls: { cert, key, ca }, cluster: cluster.id });
  const entries: Entry[] = [];
  const heard = new Map<string, number>();
  const view = emptyView();
  store.watch("/" as StoreKey, noRevision, (told) => {
    if (told.kind === "compacted") throw new Error("The lab lasted longer than the store keeps its history");
    const at = performance.now();
    applyChanges(view, told.changes, told.revision);
    for (const change of told.changes) {
      const name = parseKey(change.key);
      if (name.kind === "heartbeat" && change.kind === "put") heard.set(name.host, at);
      const value: unknown = change.kind === "put" && name.kind !== "vm-name" ? JSON.parse(change.text) : null;
      entries.push({ revision: change.revision, at, key: change.key, name, value });
    }
  });
  return {
    entries,
    view,
    heardAt: (host) => heard.get(host) ?? Number.NEGATIVE_INFINITY,
    fences: (host) =>
      entries.flatMap((entry) =>
        entry.name.kind === "fence" && entry.value !== null && (host === undefined || entry.name.host === host)
          ? [{ ...entry, name: entry.name, fence: entry.value as FenceRecord }]
          : [],
      ),
    owners: (vm) =>
      entries.flatMap((entry) =>
        entry.name.kind === "owner" && entry.name.vm === vm ? [{ ...entry, owner: entry.value as Owner }] : [],
      ),
    events: (type) =>
      entries.flatMap((entry) => {
        if (entry.name.kind !== "event") return [];
        const event = entry.value as Event;
        return type === undefined || event.type === type ? [{ ...entry, event }] : [];
      }),
    close: () => store.close(),
  };
}
