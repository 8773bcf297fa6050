import { afterAll, beforeAll, describe } from "vitest";
import type { EtcdStore } from "../../src/adapters/etcd/store.ts";
import { must } from "../../src/base/assert.ts";
import { createMemoryStore } from "../../src/sim/memory-store.ts";
import { type EtcdCluster, startEtcdCluster } from "../support/etcd-cluster.ts";
import { storeContract } from "./store-suite.ts";

const memory = createMemoryStore();
storeContract("memory", {
  stores: () => [memory, memory],
  compact: (revision) => Promise.resolve(memory.compact(revision)),
});

describe("with three members", () => {
  let cluster: EtcdCluster | undefined;
  let stores: readonly [EtcdStore, EtcdStore] | undefined;

  beforeAll(async () => {
    cluster = await startEtcdCluster();
    stores = [cluster.open(0), cluster.open(1)];
  }, 60_000);
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  storeContract("etcd", {
    stores: () => must(stores, "the cluster has started"),
    async compact(revision) {
      const [store] = must(stores, "the cluster has started");
      const end = await store.maintenance.compact(revision);
      if (end.kind !== "done") throw new Error(end.cause);
    },
  });
});
