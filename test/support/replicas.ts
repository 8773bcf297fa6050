import type { Run } from "../../src/core/replication.ts";
import type { Epoch, PoolId, VolumeId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Replica, ReplicaState } from "../../src/model/replication-records.ts";
import { held, host, incarnation, pool, vm, vmId } from "./records.ts";
import { StoredRecords } from "./stored-records.ts";

export const web = vmId("web");
export const volumes = ["web-0", "web-1"] as VolumeId[];
export const run: Run = { host: host("h1"), incarnation: incarnation(3), epoch: 4 as Epoch };
export const there = host("h2");

export function replica(volume: VolumeId, state: ReplicaState, more: Partial<Replica> = {}): Replica {
  return { schema: 1, vm: web, volume, host: there, epoch: run.epoch, state, receiver: null, ...more };
}

/** h1 runs a VM with two disks; h2 and h3 are there; a store that commits, and the view that decisions rest on. */
export class ReplicaCluster extends StoredRecords {
  constructor() {
    super();
    for (const [name, n] of [
      ["h1", 3],
      ["h2", 7],
      ["h3", 1],
    ] as const) {
      const id = host(name);
      this.put(keys.member(id), { schema: 1, id, name, role: "host", links: [], joinedAt: 0 });
      this.register(id, n);
    }
    const spec = vm("web").spec;
    const disks = volumes.map((volume) => ({ volume, pool: "local" as PoolId, sizeMiB: 4, format: "qcow2" }));
    this.put(keys.pool("local" as PoolId), pool("local", "replicated"));
    this.put(keys.vm(web), { ...vm("web"), spec: { ...spec, disks } });
    this.put(keys.owner(web), held("h1", 3, 4));
  }

  /** Both copies on h2 in this state. */
  copies(state: ReplicaState, more: Partial<Replica> = {}): this {
    for (const volume of volumes) this.put(keys.replica(web, volume, there), replica(volume, state, more));
    return this;
  }

  stateOf(name: string, volume = volumes[0] as VolumeId): string | undefined {
    return this.view.replicas.get(keys.replica(web, volume, host(name)))?.value.state.kind;
  }
}
