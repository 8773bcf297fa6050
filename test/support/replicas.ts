import type { Run } from "../../src/core/replication.ts";
import type { Epoch, PoolId, StoreKey, VolumeId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Replica, ReplicaState } from "../../src/model/replication-records.ts";
import type { Transaction } from "../../src/model/transaction.ts";
import { applyChanges } from "../../src/model/view.ts";
import { createMemoryStore } from "../../src/sim/memory-store.ts";
import { held, host, incarnation, pool, Records, vm, vmId } from "./records.ts";

export const web = vmId("web");
export const volumes = ["web-0", "web-1"] as VolumeId[];
export const run: Run = { host: host("h1"), incarnation: incarnation(3), epoch: 4 as Epoch };
export const there = host("h2");

export function replica(volume: VolumeId, state: ReplicaState, more: Partial<Replica> = {}): Replica {
  return { schema: 1, vm: web, volume, host: there, epoch: run.epoch, state, receiver: null, ...more };
}

/** h1 runs a VM with two disks; h2 and h3 are there; a store that commits, and the view that decisions rest on. */
export class ReplicaCluster {
  readonly records = new Records();
  readonly store = createMemoryStore({ schedule: (deliver) => deliver() });

  constructor() {
    this.store.watch(keys.cluster.slice(0, 1) as StoreKey, this.store.revision(), (event) => {
      if (event.kind === "changes") applyChanges(this.records.view, event.changes, event.revision);
    });
    for (const [name, n] of [
      ["h1", 3],
      ["h2", 7],
      ["h3", 1],
    ] as const) {
      const id = host(name);
      this.put(keys.member(id), { schema: 1, id, name, role: "host", links: [], joinedAt: 0 });
      this.register(name, n);
    }
    const spec = vm("web").spec;
    const disks = volumes.map((volume) => ({ volume, pool: "local" as PoolId, sizeMiB: 4, format: "qcow2" }));
    this.put(keys.pool("local" as PoolId), pool("local", "replicated"));
    this.put(keys.vm(web), { ...vm("web"), spec: { ...spec, disks } });
    this.put(keys.owner(web), held("h1", 3, 4));
  }

  get view() {
    return this.records.view;
  }

  put(key: StoreKey, record: object): this {
    this.#commit({ compares: [], writes: [{ kind: "put", key, text: JSON.stringify(record) }] });
    return this;
  }

  register(name: string, n: number): this {
    return this.put(keys.host(host(name)), {
      schema: 1,
      incarnation: n,
      nonce: `${n}`,
      machine: name,
      registeredAt: 0,
    });
  }

  /** Both copies on h2 in this state. */
  copies(state: ReplicaState, more: Partial<Replica> = {}): this {
    for (const volume of volumes) this.put(keys.replica(web, volume, there), replica(volume, state, more));
    return this;
  }

  stateOf(name: string, volume = volumes[0] as VolumeId): string | undefined {
    return this.view.replicas.get(keys.replica(web, volume, host(name)))?.value.state.kind;
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
