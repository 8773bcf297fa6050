import type { Cluster } from "../../lab/cluster.ts";
import { openEtcdStore } from "../../src/adapters/etcd/store.ts";
import type { StoreKey } from "../../src/model/ids.ts";
import type { CommitEnd } from "../../src/ports/store.ts";

/** Writes a record into the store of a lab, as a host would of which the lab has none. */
export async function putRecord(cluster: Cluster, key: StoreKey, record: object): Promise<void> {
  const { cert, key: secret, ca } = cluster.identity;
  const endpoints = [...(await cluster.storeEndpoints())];
  const store = openEtcdStore({ endpoints, tls: { cert, key: secret, ca }, cluster: cluster.id });
  try {
    const end = await new Promise<CommitEnd>((done) =>
      store.commit({ compares: [], writes: [{ kind: "put", key, text: JSON.stringify(record) }] }, 10_000, done),
    );
    if (end.kind !== "committed") throw new Error(`Cannot write ${key}: ${end.kind}`);
  } finally {
    store.close();
  }
}
