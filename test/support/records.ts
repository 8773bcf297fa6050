import type {
  Epoch,
  HostId,
  Incarnation,
  NetworkId,
  Nonce,
  PoolId,
  Revision,
  StoreKey,
  VmId,
  VolumeId,
  WallMs,
} from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { VmMove, VmPlan } from "../../src/model/move-records.ts";
import {
  type FenceRecord,
  type Heartbeat,
  type HostFacts,
  type Member,
  type Owner,
  type Pool,
  type Vm,
  type VmStatus,
  vmDefaults,
} from "../../src/model/records.ts";
import { applyChanges, type ClusterView, emptyView } from "../../src/model/view.ts";

// Records with everything filled in; a test names only what it is about.

export const host = (name: string): HostId => name as HostId;
export const vmId = (name: string): VmId => `vm:${name}` as VmId;
export const incarnation = (n: number): Incarnation => n as Incarnation;
export const epoch = (n: number): Epoch => n as Epoch;
const wall = 0 as WallMs;

/** One that all members have. */
const moveLink = (id: string) => ({ kind: "migration" as const, address: `10.0.1.${id}`, subnet: "10.0.1.0/24" });

export function member(id: string, more: Partial<Member> = {}): Member {
  return { schema: 1, id: host(id), name: id, role: "host", links: [moveLink(id)], joinedAt: wall, ...more };
}

export function heartbeat(more: Partial<Heartbeat> = {}): Heartbeat {
  const base = {
    schema: 1,
    seq: 1,
    deadlineMs: 5000,
    marginMs: 600,
    agentAgeMs: 100,
    frozen: false,
    poolAgeMs: null,
  } as const;
  return { ...base, ...more };
}

export function facts(more: Partial<HostFacts> = {}): HostFacts {
  return {
    schema: 1,
    incarnation: incarnation(1),
    cpuVendor: "GenuineIntel",
    cpuModel: "test",
    cpuFlags: [],
    cores: 4,
    memoryMiB: 4096,
    memoryForVmsMiB: 1024,
    accel: "tcg",
    versions: {},
    clockOffsetMs: null,
    networks: [{ network: "lan" as NetworkId, bridge: "br-vm", unfit: null }],
    pools: [{ pool: "shared" as PoolId, capacityMiB: 10_000, freeMiB: 5_000, unfit: null }],
    checks: [],
    at: wall,
    ...more,
  };
}

export function pool(name: string, kind: Pool["kind"]): Pool {
  return { schema: 1, id: name as PoolId, name, kind, path: `/pools/${name}`, quotaMiB: null, createdAt: wall };
}

export function vm(name: string, more: Partial<Omit<Vm, "spec">> & { memoryMiB?: number; pool?: string } = {}): Vm {
  const { memoryMiB = 80, pool: inPool = "shared", ...rest } = more;
  return {
    schema: 1,
    id: vmId(name),
    name,
    spec: {
      cpus: 1,
      memoryMiB,
      cpuModel: "max",
      disks: [{ volume: `vm-${name}-disk-0` as VolumeId, pool: inPool as PoolId, sizeMiB: 64, format: "raw" }],
      nics: [{ network: "lan" as NetworkId, mac: "52:54:00:00:00:01" }],
      kernel: null,
      guestAgent: false,
    },
    requested: "started",
    maxRestart: 3,
    maxRelocate: 1,
    stopGraceMs: 1000,
    ...vmDefaults,
    createdAt: wall,
    ...rest,
  };
}

export function held(on: string, n: number, e: number, failedHosts: string[] = []): Owner {
  return {
    schema: 1,
    kind: "held",
    host: host(on),
    incarnation: incarnation(n),
    epoch: epoch(e),
    failedHosts: failedHosts.map(host),
  };
}

export function fence(more: Partial<FenceRecord> = {}): FenceRecord {
  return {
    schema: 1,
    cause: "silence",
    by: host("h2"),
    heartbeatRevision: null,
    waitedMs: 5600,
    device: "not-needed",
    proofs: ["silence"],
    at: wall,
    ...more,
  };
}

export function status(on: string, n: number, e: number, phase: VmStatus["phase"]): VmStatus {
  return {
    schema: 1,
    host: host(on),
    incarnation: incarnation(n),
    epoch: epoch(e),
    phase,
    pausedBy: [],
    accel: "tcg",
    restarts: 0,
    lastExit: null,
    detail: null,
    since: wall,
  };
}

/** Its guest stands still for what is named; for nothing: its agent has just come up, and looks. */
export function paused(on: string, n: number, e: number, ...by: readonly string[]): VmStatus {
  return { ...status(on, n, e, "paused"), pausedBy: [...by] };
}

/** A view to build up record by record, each at its own revision. */
export class Records {
  readonly view: ClusterView = emptyView();
  #revision = 0;

  put(key: StoreKey, record: object): this {
    this.#revision += 1;
    const revision = this.#revision as Revision;
    applyChanges(this.view, [{ kind: "put", key, text: JSON.stringify(record), revision }], revision);
    return this;
  }

  remove(key: StoreKey): this {
    this.#revision += 1;
    const revision = this.#revision as Revision;
    applyChanges(this.view, [{ kind: "delete", key, revision }], revision);
    return this;
  }

  /** A host that is up: member, registration, facts, and a heartbeat. */
  host(name: string, n = 1, more: Partial<HostFacts> = {}): this {
    const id = host(name);
    const registration = {
      schema: 1,
      incarnation: n,
      nonce: `nonce-${name}-${n}` as Nonce,
      machine: name,
      registeredAt: wall,
    };
    return this.put(keys.member(id), member(name))
      .put(keys.host(id), registration)
      .put(keys.hostFacts(id), facts({ incarnation: incarnation(n), ...more }))
      .put(keys.heartbeat(id, incarnation(n)), heartbeat());
  }
}

export function move(name: string, from: string, to: string, more: Partial<VmMove> = {}): VmMove {
  return {
    schema: 1,
    vm: vmId(name),
    kind: "migrate",
    from: host(from),
    incarnation: incarnation(1),
    epoch: epoch(4),
    to: host(to),
    reason: { rule: "HM1", code: "ordered", params: { by: "test" } },
    answer: { kind: "open" },
    at: wall,
    ...more,
  };
}

export function plan(more: Partial<VmPlan> = {}): VmPlan {
  return { schema: 1, error: null, returnTo: null, failedMoves: null, ...more };
}
