import { must } from "../../base/assert.ts";
import { createClusterTransaction } from "../../core/cluster-creation.ts";
import { put } from "../../core/transactions.ts";
import { bornOn } from "../../core/volume-place.ts";
import type { ClusterId, Epoch, GroupId, HostId, NetworkId, PoolId, VmId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { policySchema } from "../../model/policy.ts";
import { type HostFacts, type Owner, type Vm, vmDefaults } from "../../model/records.ts";
import type { Group } from "../../model/replication-records.ts";
import type { Transaction, Write } from "../../model/transaction.ts";
import type { HostReading } from "../../ports/sensors.ts";
import type { PlannedGroup, PlannedVm } from "../plan.ts";
import { moveAddress } from "./driver-moves.ts";
import { keepMembership } from "./membership.ts";
import { simCpus } from "./processors.ts";
import type { World } from "./world.ts";

const createdAt = 1_800_000_000_000 as WallMs;
export const simNetwork = "lan" as NetworkId;

/** An empty store becomes this world's cluster, with its VMs. */
export function createCluster(world: World): void {
  const { plan } = world;
  const at = createdAt;
  keepMembership(world);
  const members = world.hosts.map((host) => ({
    id: host.id,
    name: host.id,
    role: world.isWitness(host) ? ("witness" as const) : ("host" as const),
    links: [{ kind: "migration" as const, address: moveAddress(host), subnet: "10.0.1.0/24" }],
  }));
  const devices = new Map<HostId, { agent: string; options: Record<string, string> }>();
  if (plan.devices)
    for (const host of world.workers()) devices.set(host.id, { agent: "sim", options: { device: host.id } });
  commit(
    world,
    createClusterTransaction(
      {
        id: "sim" as ClusterId,
        name: "sim",
        members,
        pools: plan.pools.map((pool) => ({ ...pool, path: `/pools/${pool.name}`, quotaMiB: null })),
        networks: [simNetwork],
        devices,
        hostReserveMiB: 512,
      },
      at,
    ),
  );
  if (plan.scheduler !== undefined) {
    const policy = { schema: 1, hostReserveMiB: 512, scheduler: plan.scheduler };
    commit(world, { compares: [], writes: [put(keys.policy, policySchema.parse(policy))] });
  }
  for (const vm of plan.vms) addVm(world, vm, undefined);
  for (const group of plan.groups ?? []) addGroup(world, group);
}

/** Its VMs are copied from now on. */
export function addGroup(world: World, planned: PlannedGroup): void {
  const { name, from, to, vms, everyS, lossS, points = null } = planned;
  const group: Group = {
    schema: 1,
    name: name as GroupId,
    vms: vms.map((vm) => `vm:${vm}` as VmId),
    source: from as HostId,
    target: to as HostId,
    mode:
      everyS === undefined
        ? { kind: "synchronous", boundMs: 2_000 }
        : { kind: "asynchronous", everyS, lossS: lossS ?? null },
    points,
    paused: [],
    createdAt,
  };
  const key = keys.group(group.name);
  commit(world, { compares: [{ kind: "absent", key }], writes: [put(key, group)] });
}

/** A VM that is there from now on. With a host: as if the manager had just placed it there, whatever else would fit. */
export function addVm(world: World, vm: PlannedVm, host: string | undefined): void {
  const record = vmRecord(vm, createdAt);
  const writes: Write[] = [
    put(keys.vm(record.id), record),
    { kind: "put" as const, key: keys.vmName(vm.name), text: JSON.stringify({ schema: 1, vm: record.id }) },
  ];
  const registration = world.truth.registrations.get(host as HostId);
  if (host !== undefined && registration !== undefined) {
    const owner: Owner = {
      schema: 1,
      kind: "held",
      host: host as HostId,
      incarnation: registration.incarnation,
      epoch: 1 as Epoch,
      failedHosts: [],
    };
    writes.push(put(keys.owner(record.id), owner));
  }
  placeImages(world, record, host, writes);
  commit(world, { compares: [{ kind: "absent", key: keys.vm(record.id) }], writes });
}

/** Its local images are made on the host that is to run it, or on one that its name decides. */
function placeImages(world: World, vm: Vm, host: string | undefined, writes: Write[]): void {
  const kinds = new Map(world.plan.pools.map(({ name, kind }) => [name, kind]));
  const local = vm.spec.disks.filter(({ pool }) => kinds.get(pool) === "local-dir");
  if (local.length === 0) return;
  const workers = world.workers();
  const home = host ?? world.plan.groups?.find(({ vms }) => vms.includes(vm.name))?.from;
  const on = home === undefined ? must(workers[vm.name.length % workers.length], "no host").id : (home as HostId);
  for (const { volume } of local) world.host(on).images.add(volume);
  if (!writes.some(({ key }) => key === keys.owner(vm.id))) writes.push(put(keys.owner(vm.id), bornOn(on)));
}

function commit(world: World, transaction: Transaction): void {
  world.memory.commit(transaction, 0, () => {});
}

function vmRecord(planned: PlannedVm, createdAt: WallMs): Vm {
  const { name, pool, memoryMiB, requested, maxRestart, maxRelocate, failback } = planned;
  return {
    schema: 1,
    id: `vm:${name}` as VmId,
    name,
    spec: {
      cpus: planned.cpus ?? 1,
      memoryMiB,
      cpuModel: planned.cpuModel ?? "max",
      disks: Array.from({ length: planned.disks ?? 1 }, (_, i) => ({
        volume: `vm-${name}-disk-${i}` as VolumeId,
        pool: pool as PoolId,
        sizeMiB: 64,
        format: "raw" as const,
      })),
      nics: [{ network: simNetwork, mac: "52:54:00:00:00:01" }],
      kernel: null,
      guestAgent: false,
    },
    requested,
    maxRestart,
    maxRelocate,
    stopGraceMs: 2_000,
    ...vmDefaults,
    failback: failback ?? vmDefaults.failback,
    startPriority: planned.startPriority ?? vmDefaults.startPriority,
    startDelayMs: planned.startDelayMs ?? vmDefaults.startDelayMs,
    createdAt,
  };
}

/** What a host's sensors say: the same each time. */
export function reading(world: World, host: HostId): HostReading {
  const cpu = world.plan.hostCpus?.[host];
  const facts: Pick<HostFacts, keyof HostReading> = {
    cpuVendor: "GenuineIntel",
    cpuModel: "sim",
    cpuFlags: [],
    ...(cpu === undefined ? {} : { guestCpu: simCpus[cpu] }),
    cores: 4,
    memoryMiB: world.plan.hostMemoryMiB + 512,
    memoryForVmsMiB: world.plan.hostMemoryMiB,
    versions: {},
    clockOffsetMs: null,
    networks: [{ network: simNetwork, bridge: "br-vm", unfit: null }],
    pools: world.plan.pools.map(({ name }) => ({
      pool: name as PoolId,
      capacityMiB: 10_000,
      freeMiB: 5_000,
      unfit: null,
    })),
    checks: [],
  };
  return facts;
}
