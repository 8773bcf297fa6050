import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEtcdStore } from "../src/adapters/etcd/store.ts";
import { type Client, connectClient } from "../src/api/client/index.ts";
import { createClusterTransaction } from "../src/core/cluster-creation.ts";
import type { WallMs } from "../src/model/ids.ts";
import { type Cluster, labKernel, labNetwork, labPool } from "./cluster.ts";
import { type GuestArguments, guestAppend, guestMemoryMiB } from "./guest/append.ts";
import type { HostPlan } from "./host.ts";
import type { HostProgram } from "./host-init.ts";
import { LabError } from "./lab-error.ts";
import { until } from "./shell.ts";

const root = join(import.meta.dirname, "..");
const node = join(root, "node_modules", ".bin", "node");

/** What a host runs besides etcd and the guards: heart and holdfastd. */
export function daemons(_host: HostPlan, configFile: string): readonly HostProgram[] {
  return [program("heart", configFile), program("holdfastd", configFile)];
}

/** A witness votes, and may manage: it has no heart, because nothing of its own could outlive a deadline. */
export function daemonsBeside(witness: string): typeof daemons {
  return (host, configFile) => (host.name === witness ? [program("holdfastd", configFile)] : daemons(host, configFile));
}

function program(name: "heart" | "holdfastd", configFile: string): HostProgram {
  return { name, argv: [node, join(root, "src", "main", `${name}.ts`), "--config", configFile] };
}

/** The API of one host of the lab. */
export function clientOf(cluster: Cluster, host: string): Client {
  return connectClient(join(cluster.world.host(host).plan.dirs.run, "api.sock"));
}

/** Writes a new cluster's records and marks the pool; ends once every host has joined with its facts. */
export async function createCluster(cluster: Cluster): Promise<void> {
  const mark = { schema: 1, cluster: cluster.id, pool: labPool };
  writeFileSync(join(cluster.world.poolDir, ".holdfast-pool"), `${JSON.stringify(mark)}\n`);
  const { cert, key, ca } = cluster.identity;
  const store = openEtcdStore({
    endpoints: [...(await cluster.storeEndpoints())],
    tls: { cert, key, ca },
    cluster: cluster.id,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      store.commit(createClusterTransaction(cluster.plan, Date.now() as WallMs), 10_000, (end) => {
        if (end.kind === "committed") resolve();
        else
          reject(
            new LabError(`The cluster could not be created: ${end.kind}.`, "Nothing runs.", "Start the lab again."),
          );
      });
    });
  } finally {
    store.close();
  }
  const joined = async (): Promise<true | undefined> => {
    const hosts = await clientOf(cluster, "h1")
      .host.list()
      .then((answer) => answer.hosts)
      .catch(() => []);
    const workers = hosts.filter(({ role }) => role === "host");
    const all = workers.length === cluster.workers.length && workers.every((host) => host.state === "up");
    return all && workers.every((host) => host.accel !== null) ? true : undefined;
  };
  await until(
    joined,
    60_000,
    () => new LabError("Not all hosts joined within a minute.", "The lab ends.", "Look at HOST/log."),
    100,
  );
}

export const firstVm = "web";
export const firstVmAddress = "10.93.0.50";

/** Defines and starts a VM that runs the tiny guest. */
export async function startGuest(
  client: Client,
  name: string,
  address: string,
  tickMs: number | null,
  pool = labPool,
  more: Pick<GuestArguments, "pairMs" | "agent"> = {},
): Promise<void> {
  await client.vm.create({
    name,
    cpus: 1,
    memoryMiB: guestMemoryMiB,
    cpuModel: "max",
    disks: [{ pool, sizeMiB: 64, format: "raw" }],
    networks: [labNetwork],
    kernel: {
      ...labKernel,
      append: guestAppend({ name, address: `${address}/24`, tickMs, ...more }),
    },
    guestAgent: true,
    maxRestart: 3,
  });
  await client.vm.start({ vm: name });
}
