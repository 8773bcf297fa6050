import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { issueHostCertificate } from "../../src/adapters/pki/authority.ts";
import type { HostId, Incarnation, StoreKey } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { StoredValue } from "../../src/model/transaction.ts";
import { type EtcdCluster, startEtcdCluster } from "../support/etcd-cluster.ts";
import { RealGuards, waitFor } from "../support/real-guards.ts";

const host = "h1" as HostId;
const main = join(import.meta.dirname, "..", "..", "src", "main", "heart.ts");
const privateMaxKiB = 45 * 1_024;

describe("the heart's process, with real guards and etcd", { timeout: 120_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  async function writeConfig(world: RealGuards, cluster: EtcdCluster): Promise<string> {
    const { cert, key } = await issueHostCertificate(cluster.authority, { host, addresses: ["127.0.0.1"], names: [] });
    const files = { ca: cluster.authority.cert, cert, key };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(world.runDir, name), text);
    const path = join(world.runDir, "host.yaml");
    const at = (name: string): string => join(world.runDir, name);
    const { deadlineMs, marginMs } = world;
    // JSON is YAML.
    const config = {
      host,
      cluster: cluster.id,
      machine: "m1",
      role: "host",
      runDir: world.runDir,
      stateDir: world.runDir,
      cgroup: world.cgroup,
      store: { endpoints: cluster.endpoints, ca: at("ca"), cert: at("cert"), key: at("key") },
      profile: { name: "test", heartbeatMs: 300, deadlineMs, marginMs },
      networks: {},
      pools: {},
      memoryForVmsMiB: null,
      accel: "auto",
      watchdog: null,
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  function startHeart(config: string, log: string[]): ChildProcess {
    const child = spawn(process.execPath, [main, "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (text) => log.push(`${text}`));
    undo.push(async () => {
      child.kill("SIGKILL");
      await waitFor("the heart is gone", () => child.exitCode !== null || child.signalCode !== null);
    });
    return child;
  }

  test("[S4] heart stopped and killed: VMs stand still before D+M; a new heart keeps N; private memory stays below 45 MB", async () => {
    const cluster = await startEtcdCluster({ members: 1 });
    undo.push(() => cluster[Symbol.asyncDispose]());
    const world = new RealGuards(3_000);
    undo.push(() => world.close());
    world.start("a");
    world.start("b");
    const log: string[] = [];
    const config = await writeConfig(world, cluster);
    const first = startHeart(config, log);
    const store = cluster.open();
    const folder = (): string => readFileSync(join(world.runsFolder, "1", "cgroup.events"), "utf8");
    await waitFor("the first heartbeat has thawed the host", () => {
      try {
        return folder().includes("frozen 0");
      } catch {
        return false; // the guards have not made the folder yet
      }
    });
    const vm = world.addVm(1 as Incarnation);
    expect(await world.runs(vm)).toBe(true);

    await world.pass(3_000); // idle, as the memory counts
    const rollup = readFileSync(`/proc/${first.pid}/smaps_rollup`, "utf8");
    const privateKiB = Number(/Private_Dirty: +(\d+)/u.exec(rollup)?.[1]);
    console.log(`heart: ${(privateKiB / 1_024).toFixed(1)} MB private, idle`);
    expect(privateKiB).toBeLessThan(privateMaxKiB);

    first.kill("SIGSTOP");
    await waitFor("the guards stopped the VM", () => folder().includes("frozen 1"));
    expect(await world.standsStill(vm)).toBe(true);
    first.kill("SIGCONT");
    await waitFor("its next heartbeat thaws it", () => folder().includes("frozen 0"));
    expect(await world.runs(vm)).toBe(true);

    first.kill("SIGKILL");
    await waitFor("the guards stopped the VM", () => folder().includes("frozen 1"));
    startHeart(config, log);
    await waitFor("a new heart of the same incarnation thaws it", () => folder().includes("frozen 0"));
    expect(await world.runs(vm)).toBe(true);
    const registration = await one(store, keys.host(host));
    expect(JSON.parse(registration?.text ?? "{}")).toMatchObject({ incarnation: 1, machine: "m1" });
  });

  test("a configuration that cannot be used is told, and nothing is started", async () => {
    const log: string[] = [];
    const child = startHeart("/nonexistent/host.yaml", log);
    await waitFor("it ends", () => child.exitCode !== null);
    expect(child.exitCode).toBe(1);
    await waitFor("it said why", () => log.join("").includes("config-unreadable"));
  });
});

function one(store: ReturnType<EtcdCluster["open"]>, key: StoreKey): Promise<StoredValue | undefined> {
  return new Promise((resolve, reject) => {
    store.snapshot(key, (end) => {
      if (end.kind === "done") resolve(end.values.find((value) => value.key === key));
      else reject(new Error(end.cause));
    });
  });
}
