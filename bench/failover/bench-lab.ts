import { type Cluster, labKernel, labNetwork, labPool, openCluster } from "../../lab/cluster.ts";
import { guestAppend, guestMemoryMiB } from "../../lab/guest/append.ts";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import { LabError } from "../../lab/lab-error.ts";
import type { Address } from "../../lab/reach.ts";
import { clientOf, createCluster, daemons } from "../../lab/session.ts";
import { until } from "../../lab/shell.ts";
import { imagePath } from "../../src/adapters/qemu/pool-folder.ts";
import type { VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type HeldOwner, ownerSchema } from "../../src/model/records.ts";
import { lostNumbers, revenants } from "./disk-check.ts";
import { clientName, startWriter, type Writer } from "./guest-client.ts";
import type { Options } from "./options.ts";
import { type StoreWatch, watchStore } from "./store-watch.ts";

export type BenchVm = {
  readonly id: VmId;
  readonly name: string;
  readonly address: Address;
  readonly image: string;
  readonly writer: Writer;
  /** What was found already: a loss counts in the trial that it came with, not in each one after it. */
  readonly told: Set<string>;
};

/** A lab for many trials. */
export interface BenchLab {
  readonly cluster: Cluster;
  readonly store: StoreWatch;
  readonly vms: readonly BenchVm[];
  /** Creates and starts VMs until there are so many; does not wait for them. */
  ensureVms(count: number): Promise<void>;
  close(): Promise<void>;
}

type LabOptions = Pick<Options, "hosts" | "profile" | "accel" | "keep">;

const tickMs = 100;
/** Room for an hour of writes and ticks; the image is sparse. */
const diskMiB = 256;
/** QEMU is killed again and again: the limit of restarts is not what is measured. */
const restartsMax = 100;
const readyLimitMs = 120_000;

/** `opened`: called with the world's end as soon as there is something to end. */
export async function openBenchLab(
  options: LabOptions,
  log: (line: string) => void,
  opened: (close: () => Promise<void>) => void,
): Promise<BenchLab> {
  const cluster = await openCluster({ ...options, log, daemons });
  opened(() => cluster.world.close());
  await createCluster(cluster);
  const store = await watchStore(cluster);
  const vms: BenchVm[] = [];
  const close = async (): Promise<void> => {
    for (const vm of vms) vm.writer.stop();
    store.close();
    await cluster.world.close();
  };
  opened(close);
  return {
    cluster,
    store,
    vms,
    ensureVms: async (count) => {
      while (vms.length < count) vms.push(await createVm(cluster, vms.length + 1));
    },
    close,
  };
}

async function createVm(cluster: Cluster, number: number): Promise<BenchVm> {
  const client = clientOf(cluster, "h1");
  const name = `bench${number}`;
  const address = `10.93.0.${100 + number}`;
  const { id } = await client.vm.create({
    name,
    cpus: 1,
    memoryMiB: guestMemoryMiB,
    cpuModel: "max",
    disks: [{ pool: labPool, sizeMiB: diskMiB, format: "raw" }],
    networks: [labNetwork],
    kernel: { ...labKernel, append: guestAppend({ name, address: `${address}/24`, tickMs }) },
    maxRestart: restartsMax,
  });
  const { vm } = await client.vm.show({ vm: id });
  await client.vm.start({ vm: id });
  const to = { address, port: 80 };
  const image = imagePath(cluster.world.poolDir, vm.disks[0]?.volume ?? "", "raw");
  return { id: vm.id as VmId, name, address: to, image, writer: startWriter(cluster.world.reach, to), told: new Set() };
}

/** Who holds the VM by the newest record that was received; undefined: nobody. */
export function ownerOf(lab: BenchLab, vm: VmId): HeldOwner | undefined {
  const text = lab.store.latest(keys.owner(vm))?.text;
  const owner = text === undefined ? undefined : ownerSchema.parse(JSON.parse(text));
  return owner?.kind === "held" ? owner : undefined;
}

/**
 * Ends once every host says that all are up, the store is whole, and each VM's newest epoch acknowledges writes.
 * Throws `LabError` with what is missing after two minutes.
 */
export async function waitUntilReady(lab: BenchLab): Promise<void> {
  let missing = "";
  await until(
    async () => {
      missing = await whatIsMissing(lab);
      return missing === "" ? true : undefined;
    },
    readyLimitMs,
    () =>
      new LabError(
        `The lab is not whole again: ${missing}.`,
        "No trial can start in it.",
        `Its logs are in ${lab.cluster.world.dir} while it is open; --keep leaves them.`,
      ),
    200,
  );
}

async function whatIsMissing(lab: BenchLab): Promise<string> {
  for (const host of lab.cluster.world.hosts) {
    if (host.pidOf("holdfastd") === undefined) return `the daemon of ${host.name} does not run`;
    try {
      const { hosts } = await clientOf(lab.cluster, host.name).host.list();
      const bad = hosts.find((other) => other.state !== "up" || other.frozen === true);
      if (bad !== undefined) return `${host.name} says that ${bad.name} is ${bad.state}`;
    } catch (error) {
      return `${host.name} does not answer: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  for (const member of await lab.store.health()) {
    if (member.kind === "silent") return `the store's member ${member.endpoint} is silent`;
    if (!member.knowsLeader) return `the store's member ${member.endpoint} knows no leader`;
  }
  for (const vm of lab.vms) {
    const owner = ownerOf(lab, vm.id);
    const { last } = vm.writer;
    if (owner === undefined) return `nobody holds ${vm.name}`;
    if (last?.epoch !== owner.epoch || performance.now() - last.at > 1_000)
      return `${vm.name} does not serve as epoch ${owner.epoch}`;
  }
  return "";
}

export type DiskFindings = { readonly lost: readonly number[]; readonly revenants: readonly number[] };

/** Holds a VM's disk, read from outside, against what was acknowledged until now; tells each finding once. */
export function inspectDisk(vm: BenchVm): DiskFindings {
  const acknowledged = [...vm.writer.acknowledged];
  const { records } = readGuestDisk(vm.image);
  const isNew = (finding: string): boolean => !vm.told.has(finding) && vm.told.add(finding) !== undefined;
  return {
    lost: lostNumbers(records, clientName, acknowledged).filter((number) => isNew(`lost ${number}`)),
    revenants: revenants(records).filter((epoch) => isNew(`epoch ${epoch}`)),
  };
}
