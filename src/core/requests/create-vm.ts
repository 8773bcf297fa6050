import { inKeyOrder, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, NetworkId, PoolId, VmId, VolumeId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { type HostFacts, type Pool, type Vm, type VmSpec, vmDefaults } from "../../model/records.ts";
import type { Compare } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { whyCannotShow } from "../cpu.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { bornOn, localDisks } from "../volume-place.ts";
import { findNetwork, findPool } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

export type CreateVmRequest = {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly cpuModel: string;
  readonly disks: readonly { readonly pool: string; readonly sizeMiB: number; readonly format: "raw" | "qcow2" }[];
  readonly networks: readonly string[];
  readonly kernel: VmSpec["kernel"];
  readonly guestAgent: boolean;
  readonly maxRestart: number;
  readonly maxRelocate: number;
  readonly stopGraceMs: number;
  readonly failback?: boolean;
  readonly startPriority?: number;
  readonly startDelayMs?: number;
};

/** Random values that nobody uses yet: an id, and one MAC address per network. `on`: the host that makes its images. */
export type FreshVm = { readonly id: VmId; readonly macs: readonly string[]; readonly on: HostId };

type Disk = VmSpec["disks"][number];

/** Defines a VM that is stopped. The name key makes its name unique: two requests at once cannot both get it. */
export function planCreateVm(view: ClusterView, request: CreateVmRequest, fresh: FreshVm, asked: Asked): Planned {
  const taken = valuesInKeyOrder(view.vms).find((stored) => stored.value.name === request.name);
  if (taken !== undefined) return refuse("vm-name-taken", { name: request.name, vm: taken.value.id });
  if (request.disks.length === 0 && request.kernel === null) return refuse("vm-nothing-to-boot", { vm: request.name });
  const tooBig = refuseTooBig(view, request) ?? refuseProcessor(view, request);
  if (tooBig !== undefined) return tooBig;
  const disks = placeDisks(view, request, fresh);
  if (disks.kind === "refused") return disks;
  const nics = attachNics(view, request, fresh.macs);
  if (nics.kind === "refused") return nics;

  const vm: Vm = {
    schema: 1,
    id: fresh.id,
    name: request.name,
    spec: {
      cpus: request.cpus,
      memoryMiB: request.memoryMiB,
      cpuModel: request.cpuModel,
      disks: disks.disks,
      nics: nics.nics,
      kernel: request.kernel,
      guestAgent: request.guestAgent,
    },
    requested: "stopped",
    maxRestart: request.maxRestart,
    maxRelocate: request.maxRelocate,
    stopGraceMs: request.stopGraceMs,
    ...vmDefaults,
    failback: request.failback ?? vmDefaults.failback,
    startPriority: request.startPriority ?? vmDefaults.startPriority,
    startDelayMs: request.startDelayMs ?? vmDefaults.startDelayMs,
    createdAt: asked.at,
  };
  const isLocal = localDisks(view, vm).length > 0;
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.vmName(vm.name), undefined),
        unchanged(keys.vm(vm.id), undefined),
        unchanged(keys.owner(vm.id), undefined),
        ...partsOf(view, vm.spec),
        // Nor does the host that has them leave the cluster meanwhile (HM7).
        ...(isLocal ? [unchanged(keys.member(fresh.on), view.members.get(fresh.on))] : []),
      ],
      [
        put(keys.vm(vm.id), vm),
        { kind: "put", key: keys.vmName(vm.name), text: JSON.stringify({ schema: 1, vm: vm.id }) },
        // Where its local images lie, from before it ever runs.
        ...(isLocal ? [put(keys.owner(vm.id), bornOn(fresh.on))] : []),
      ],
    ),
    outcome: { kind: "vm-created", vm: vm.id, name: vm.name },
    volumes: vm.spec.disks,
    events: [
      {
        type: "vm-created",
        subjects: { vm: vm.id },
        params: { vm: vm.name, cpus: vm.spec.cpus, memoryMiB: vm.spec.memoryMiB },
        reason: null,
        alternatives: [],
        actor: asked.actor,
      },
    ],
  };
}

/** A pool or network that goes or changes meanwhile makes this a new question. */
function partsOf(view: ClusterView, { disks, nics }: VmSpec): readonly Compare[] {
  const pools = new Set(disks.map((disk) => disk.pool));
  const networks = new Set(nics.map((nic) => nic.network));
  return [
    ...[...pools].map((pool) => unchanged(keys.pool(pool), view.pools.get(pool))),
    ...[...networks].map((network) => unchanged(keys.network(network), view.networks.get(network))),
  ];
}

/** No host could ever run it. Where no host has said what it has, nothing is known and nothing is refused. */
export function refuseTooBig(
  view: ClusterView,
  request: Pick<CreateVmRequest, "name" | "cpus" | "memoryMiB">,
): Refusal | undefined {
  const facts = valuesInKeyOrder(view.facts).map((stored) => stored.value);
  if (facts.length === 0) return undefined;
  const memoryMiB = Math.max(...facts.map((fact) => fact.memoryForVmsMiB));
  if (request.memoryMiB > memoryMiB) {
    return refuse("vm-memory-too-large", { vm: request.name, wantedMiB: request.memoryMiB, largestMiB: memoryMiB });
  }
  const cores = Math.max(...facts.map((fact) => fact.cores));
  if (request.cpus > cores) {
    return refuse("vm-cpus-too-many", { vm: request.name, wanted: request.cpus, largest: cores });
  }
  return undefined;
}

/** No host could ever show it this processor (PL8); what most of it is there for is told. */
export function refuseProcessor(
  view: ClusterView,
  request: Pick<CreateVmRequest, "name" | "cpuModel">,
): Refusal | undefined {
  const hosts = inKeyOrder(view.facts);
  const whys = hosts.map(([host, { value }]) => whyCannotShow(host, value, request.cpuModel));
  const [first] = whys;
  if (first === undefined || whys.includes(undefined)) return undefined;
  const closest = whys.find((why) => why?.code === "cpu-flags-missing");
  const code = closest === undefined ? "vm-cpu-model-unknown-there" : "vm-cpu-flags-missing";
  return refuse(code, {
    ...(closest ?? first).params,
    vm: request.name,
    known: modelsOf(hosts.map(([, facts]) => facts.value)),
  });
}

/** Models that at least one host can run. */
function modelsOf(facts: readonly HostFacts[]): string {
  const models = facts.flatMap(({ guestCpu }) => Object.entries(guestCpu?.models ?? {}));
  return [...new Set(models.flatMap(([model, missing]) => (missing.length === 0 ? [model] : [])))].sort().join(", ");
}

function placeDisks(
  view: ClusterView,
  request: CreateVmRequest,
  { id, on }: FreshVm,
): { readonly kind: "disks"; readonly disks: Disk[] } | Refusal {
  const disks: Disk[] = [];
  const wantedMiB = new Map<PoolId, number>();
  for (const [index, wanted] of request.disks.entries()) {
    const found = findPool(view, wanted.pool);
    if (found.kind === "refused") return found;
    const pool = found.stored.value;
    if (pool.kind === "replicated") return refuse("pool-kind-not-usable", { pool: pool.name, kind: pool.kind });
    wantedMiB.set(pool.id, (wantedMiB.get(pool.id) ?? 0) + wanted.sizeMiB);
    const refused = refuseNoRoom(view, pool, wantedMiB.get(pool.id) ?? 0, on);
    if (refused !== undefined) return refused;
    const volume = `${id.replace(":", "")}-disk-${index}` as VolumeId;
    disks.push({ volume, pool: pool.id, sizeMiB: wanted.sizeMiB, format: wanted.format });
  }
  return { kind: "disks", disks };
}

/** MiB that the disks of all VMs in this pool may grow to. */
export function promisedMiB(view: ClusterView, pool: PoolId): number {
  let sum = 0;
  for (const { value } of view.vms.values()) {
    for (const disk of value.spec.disks) if (disk.pool === pool) sum += disk.sizeMiB;
  }
  return sum;
}

function refuseNoRoom(view: ClusterView, pool: Pool, wantedMiB: number, on: HostId): Refusal | undefined {
  if (pool.quotaMiB !== null) {
    const leftMiB = pool.quotaMiB - promisedMiB(view, pool.id);
    if (wantedMiB > leftMiB) return refuse("pool-quota-exceeded", { pool: pool.name, wantedMiB, leftMiB });
  }
  // An image in a local pool is made on this very host, and there alone.
  const hosts = pool.kind === "local-dir" ? [view.facts.get(on)].filter((one) => one !== undefined) : undefined;
  const readings = (hosts ?? valuesInKeyOrder(view.facts))
    .flatMap((stored) => stored.value.pools)
    .filter((reading) => reading.pool === pool.id);
  if (readings.length === 0) return undefined;
  const fit = readings.filter((reading) => reading.unfit === null);
  const unfit = readings[0]?.unfit;
  if (fit.length === 0) return refuse("pool-unfit-everywhere", { pool: pool.name, cause: unfit ?? "" });
  const freeMiB = Math.max(...fit.map((reading) => reading.freeMiB));
  return wantedMiB > freeMiB ? refuse("pool-no-room", { pool: pool.name, wantedMiB, freeMiB }) : undefined;
}

function attachNics(
  view: ClusterView,
  request: CreateVmRequest,
  macs: readonly string[],
): { readonly kind: "nics"; readonly nics: { network: NetworkId; mac: string }[] } | Refusal {
  const nics: { network: NetworkId; mac: string }[] = [];
  for (const [index, wanted] of request.networks.entries()) {
    const found = findNetwork(view, wanted);
    if (found.kind === "refused") return found;
    nics.push({ network: found.stored.value.id, mac: macs[index] ?? "" });
  }
  return { kind: "nics", nics };
}
