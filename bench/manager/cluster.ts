import type { HostId, PoolId, Revision, RuleId, StoreKey, VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Scheduler } from "../../src/model/policy.ts";
import { vmDefaults } from "../../src/model/records.ts";
import type { Change, Write } from "../../src/model/transaction.ts";
import { applyChanges, type ClusterView, emptyView, type Touched } from "../../src/model/view.ts";

/** How large a cluster is, and whether rules bind a part of its VMs. */
export type Size = {
  readonly hosts: number;
  readonly vms: number;
  readonly mixed: boolean;
  readonly scheduler: Scheduler["mode"];
};

/** `running`: every VM runs, as many on each host; `wanted`: every VM is wanted, and none has ever run. */
export type Start = "running" | "wanted";

export const hostOf = (n: number): HostId => `h${String(n).padStart(4, "0")}` as HostId;
export const vmOf = (n: number): VmId => `vm:${String(n).padStart(6, "0")}` as VmId;

const vmMiB = 1_024;

/** A view that grows by whole records, as a watch would deliver them. */
export class Growing {
  readonly view: ClusterView = emptyView();
  #revision = 0;

  put(records: readonly (readonly [StoreKey, object])[]): Touched {
    const changes = records.map(([key, record]): Change => {
      this.#revision += 1;
      return { kind: "put", key, text: JSON.stringify(record), revision: this.#revision as Revision };
    });
    return applyChanges(this.view, changes, this.#revision as Revision);
  }

  /** What a transaction wrote; all of it has one revision. */
  write(writes: readonly Write[]): Touched {
    this.#revision += 1;
    const revision = this.#revision as Revision;
    return applyChanges(
      this.view,
      writes.map((write) => ({ ...write, revision })),
      revision,
    );
  }
}

export function growCluster(size: Size, start: Start): Growing {
  const growing = new Growing();
  const pool = { schema: 1, id: "fast", name: "fast", kind: "replicated", path: "/fast", quotaMiB: null, createdAt: 0 };
  growing.put([
    [keys.pool("fast" as PoolId), pool],
    [keys.managerTerm, { schema: 1, term: 1, host: hostOf(1), at: 0 }],
    [keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode: size.scheduler } }],
  ]);
  for (let n = 1; n <= size.hosts; n++) growing.put(hostRecords(n, size));
  for (let n = 1; n <= size.vms; n++) growing.put(vmRecords(n, size, start));
  if (size.scheduler === "dynamic") for (let n = 1; n <= size.hosts; n++) growing.put([usage(n, size, start)]);
  if (size.mixed) growing.put(mixedRules(size));
  return growing;
}

function hostRecords(n: number, { hosts, vms }: Size): [StoreKey, object][] {
  const id = hostOf(n);
  // Room for half as much again: a lost host's VMs fit elsewhere.
  const memoryForVmsMiB = Math.ceil((vms / hosts) * 1.5) * vmMiB;
  const registration = { schema: 1, incarnation: 1, nonce: `nonce-${n}`, machine: id, registeredAt: 0 };
  const facts = {
    schema: 1,
    incarnation: 1,
    cpuVendor: "any",
    cpuModel: "any",
    cpuFlags: [],
    cores: 64,
    memoryMiB: memoryForVmsMiB + 4_096,
    memoryForVmsMiB,
    accel: "kvm",
    versions: {},
    clockOffsetMs: null,
    networks: [{ network: "lan", bridge: "br0", unfit: null }],
    pools: [{ pool: "fast", capacityMiB: 1_000_000, freeMiB: 500_000, unfit: null }],
    checks: [],
    at: 0,
  };
  return [
    [keys.member(id), { schema: 1, id, name: id, role: "host", links: [], joinedAt: 0 }],
    [keys.host(id), registration],
    [keys.hostFacts(id), facts],
    heartbeat(n, 1),
  ];
}

/** What host n measured: every VM uses half of its cores and of its memory. */
export function usage(n: number, size: Size, start: Start): [StoreKey, object] {
  const vms: Record<string, object> = {};
  let cores = 0;
  for (let vm = n; start === "running" && vm <= size.vms; vm += size.hosts) {
    vms[vmOf(vm)] = { cores: (1 + (vm % 4)) / 2, memoryMiB: vmMiB / 2 };
    cores += (1 + (vm % 4)) / 2;
  }
  const host = { cores, memoryMiB: (Object.keys(vms).length * vmMiB) / 2 };
  return [keys.hostUsage(hostOf(n)), { schema: 1, incarnation: 1, host, vms, at: 0 }];
}

export function heartbeat(n: number, seq: number): [StoreKey, object] {
  const record = { schema: 1, seq, deadlineMs: 5_000, marginMs: 600, agentAgeMs: 50, frozen: false, poolAgeMs: null };
  return [keys.heartbeat(hostOf(n), 1 as never), record];
}

export function vmRecord(n: number): [StoreKey, object] {
  const record = {
    schema: 1,
    id: vmOf(n),
    name: `vm${n}`,
    spec: {
      cpus: 1 + (n % 4),
      memoryMiB: vmMiB,
      cpuModel: "max",
      disks: [{ volume: `vol-${n}`, pool: "fast", sizeMiB: 1_024, format: "raw" }],
      nics: [{ network: "lan", mac: "52:54:00:00:00:01" }],
      kernel: null,
      guestAgent: false,
    },
    requested: "started",
    maxRestart: 1,
    maxRelocate: 1,
    stopGraceMs: 60_000,
    ...vmDefaults,
    createdAt: 0,
  };
  return [keys.vm(vmOf(n)), record];
}

const hostOfVm = (n: number, { hosts }: Size): HostId => hostOf(1 + ((n - 1) % hosts));

export function status(n: number, size: Size, since: number): [StoreKey, object] {
  const record = {
    schema: 1,
    host: hostOfVm(n, size),
    incarnation: 1,
    epoch: 1,
    phase: "running",
    pausedBy: [],
    accel: "kvm",
    restarts: 0,
    lastExit: null,
    detail: null,
    since,
  };
  return [keys.vmStatus(vmOf(n)), record];
}

function vmRecords(n: number, size: Size, start: Start): [StoreKey, object][] {
  if (start === "wanted") return [vmRecord(n)];
  return [vmRecord(n), owner(n, size), status(n, size, 0)];
}

export function owner(n: number, size: Size): [StoreKey, object] {
  const record = { schema: 1, kind: "held", host: hostOfVm(n, size), incarnation: 1, epoch: 1, failedHosts: [] };
  return [keys.owner(vmOf(n)), record];
}

type RuleBody =
  | {
      readonly kind: "host-affinity";
      readonly vms: readonly VmId[];
      readonly hosts: readonly object[];
      readonly strict: boolean;
    }
  | { readonly kind: "vm-affinity"; readonly vms: readonly VmId[]; readonly affinity: "together" | "apart" };

/**
 * Rules of every kind, such that the VMs may stay where they are: of each hundred VMs, ten prefer some hosts, four are two
 * pairs that stay together, and six are two threes that are kept apart.
 */
function mixedRules(size: Size): [StoreKey, object][] {
  const rules: [StoreKey, object][] = [];
  const add = (rule: RuleBody): void => {
    const id = `r${String(rules.length).padStart(6, "0")}` as RuleId;
    rules.push([keys.rule(id), { schema: 1, id, enabled: true, comment: "", createdAt: 0, ...rule }]);
  };
  // VM n runs on host 1 + (n − 1) mod hosts: what is a whole number of hosts apart shares one.
  const { hosts, vms } = size;
  for (let first = 1; first + 99 <= vms; first += 100) {
    const vmsOf = (from: number, count: number, step = 1) =>
      Array.from({ length: count }, (_, i) => vmOf(1 + ((from - 1 + i * step) % vms)));
    const prefer = vmsOf(first, 10);
    const named = prefer.map((_, i) => ({ host: hostOfVm(first + i, size), priority: 1 }));
    add({ kind: "host-affinity", vms: prefer, hosts: named, strict: false });
    for (const from of [first + 20, first + 21]) {
      if ((Math.floor((from - 1) / hosts) & 1) === 0 && from + hosts <= vms)
        add({ kind: "vm-affinity", affinity: "together", vms: vmsOf(from, 2, hosts) });
    }
    for (const from of [first + 30, first + 40]) add({ kind: "vm-affinity", affinity: "apart", vms: vmsOf(from, 3) });
  }
  return rules;
}
