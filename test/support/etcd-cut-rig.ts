import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openReach, type Reach } from "../../lab/reach.ts";
import type { EtcdStore } from "../../src/adapters/etcd/store.ts";
import { must } from "../../src/base/assert.ts";
import type { CutRig } from "../contracts/store-cuts-suite.ts";
import { plugTogether } from "./cables.ts";
import { startEtcdCluster } from "./etcd-cluster.ts";
import { eventually } from "./store-promises.ts";

const members = ["m0", "m1", "m2"];
/** The last one only asks who leads, and is never cut off. */
const clients = ["c0", "c1", "c2"];

/**
 * A real etcd in network namespaces of its own. Clients are in this process; each one's connections go through a helper on
 * its machine, so that it is the helper's packets to a member that are lost.
 */
export async function openEtcdCutRig(): Promise<CutRig> {
  const dir = mkdtempSync(join(tmpdir(), "hf-cut-"));
  const undo: (() => Promise<void> | void)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const act of undo.splice(0).reverse()) await act();
  };
  try {
    const cables = await plugTogether([...members, ...clients]);
    undo.push(cables.close);
    const reaches: Reach[] = [];
    for (const client of clients) {
      const own = mkdtempSync(join(dir, client));
      const reach = await openReach(own, cables.enter(client));
      undo.push(reach.close);
      reaches.push(reach);
    }
    const forward = async (reach: Reach | undefined, address: string, port: number): Promise<string> => {
      const open = await must(reach, "a helper for each client").forward(() => ({ address, port }), 0);
      return `127.0.0.1:${open.port}`;
    };
    const cluster = await startEtcdCluster({
      places: members.map((name) => ({ address: cables.address(name), enter: cables.enter(name) })),
      reach: (address, port) => forward(reaches[2], address, port),
    });
    undo.push(() => cluster[Symbol.asyncDispose]());
    const endpoints = await Promise.all(
      reaches.map((reach) =>
        Promise.all(cluster.addresses.map(({ address, clientPort }) => forward(reach, address, clientPort))),
      ),
    );
    const stores: EtcdStore[] = [];
    return {
      open: (client, prefers) => {
        const store = cluster.open(prefers, endpoints[client]);
        stores.push(store);
        return store;
      },
      closeStores: () => {
        for (const store of stores.splice(0)) store.close();
      },
      leader: async () => {
        await cluster.allAnswer();
        return cluster.leader();
      },
      cut: cables.cut,
      heal: cables.heal,
      until: (what, holds) => eventually(holds, what),
      run: (call) => call,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
