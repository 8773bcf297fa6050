import { execFile } from "node:child_process";
import { access, readFile, stat, statfs } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { HostConfig } from "../../model/config.ts";
import type { NetworkId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import type { Check } from "../../model/reason.ts";
import type { Pool } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { HostReading, Sensors } from "../../ports/sensors.ts";
import { type GuestCpuOptions, readGuestCpu } from "../qemu/guest-cpu.ts";
import { readSlewPpm } from "./clock-slew.ts";
import { readRoutedAddresses } from "./default-routes.ts";
import { liesOnRemovable } from "./removable.ts";
import { readStateDisk } from "./sensors-disk.ts";
import { measureUsage } from "./sensors-usage.ts";

/** Free space is rounded down to this, so that not every written block becomes a new record of facts. */
const spaceStepMiB = 64;
const mebibyte = 1024 * 1024;
/** Bridges are looked up where the interfaces have changed, and at least this often: a program is started for it. */
const bridgesForMs = 60_000;
/** `ip` prints an empty object for a link that its filter left out. */
const linksSchema = z.array(z.object({ ifname: z.string().optional() }));

/** `slewPpm`: what the time daemon may bend the clock by; null: nothing beyond what the kernel does. */
type CheckHost = (seen: { readonly hosts: number; readonly slewPpm: number | null }) => Promise<Check[]>;

/**
 * Reads this Linux host: processor, memory, bridges of the cluster's networks, folders of its pools, versions.
 * `view` gives the pools and the policy; what cannot be read is said in `unfit` or as a check, never guessed.
 * `cgroupOf` is where a run's processes are; `check` judges what was seen.
 */
export function openLinuxSensors(
  config: HostConfig,
  version: string,
  view: () => ClusterView,
  cgroupOf: (run: VmRun) => string,
  accel: "kvm" | "tcg",
  check: CheckHost,
): Sensors {
  let fixed: Promise<FixedReading> | undefined;
  const bridges = bridgeReader();
  return {
    read: (done) => {
      fixed ??= readFixed(version, { accel, cacheFile: join(config.stateDir, "guest-cpu.json") });
      void readAll(config, fixed, bridges, view(), check).then(done);
    },
    measure: (runs, done) => void measureUsage(runs, cgroupOf).then(done),
  };
}

type FixedReading = Pick<
  HostReading,
  "cpuVendor" | "cpuModel" | "cpuFlags" | "guestCpu" | "cores" | "memoryMiB" | "versions"
>;

/** What does not change while the machine is up. */
async function readFixed(version: string, guest: Omit<GuestCpuOptions, "version">): Promise<FixedReading> {
  const cpu = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const field = (name: string): string =>
    new RegExp(`^${name}\\s*:\\s*(.*)$`, "mu").exec(cpu)?.[1]?.trim() ?? "unknown";
  const memory = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const qemu = await qemuVersion();
  const guestCpu = qemu === "missing" ? undefined : await readGuestCpu({ ...guest, version: qemu });
  const totalKiB = Number(/^MemTotal:\s+(\d+)/mu.exec(memory)?.[1] ?? 0);
  return {
    cpuVendor: field("vendor_id"),
    cpuModel: field("model name"),
    cpuFlags: field("flags").split(/\s+/u).sort(),
    ...(guestCpu === undefined ? {} : { guestCpu }),
    cores: cpu.match(/^processor\s*:/gmu)?.length ?? 1,
    memoryMiB: Math.floor(totalKiB / 1024),
    versions: { holdfast: version, qemu, kernel: release() },
  };
}

function qemuVersion(): Promise<string> {
  return new Promise((resolve) => {
    execFile("qemu-system-x86_64", ["--version"], { timeout: 10_000 }, (error, stdout) => {
      resolve(error === null ? (/version (\S+)/u.exec(stdout)?.[1] ?? "unknown") : "missing");
    });
  });
}

async function readAll(
  config: HostConfig,
  fixed: Promise<FixedReading>,
  readBridges: BridgeReader,
  view: ClusterView,
  check: CheckHost,
): Promise<HostReading> {
  const base = await fixed;
  const reserveMiB = view.policy?.value.hostReserveMiB ?? 0;
  const bridges = await readBridges();
  const links = new Set(view.members.get(config.host)?.value.links.map(({ address }) => address));
  const routed = await readRoutedAddresses();
  const networks = Object.entries(config.networks).map(([id, bridge]) => fitness(id as NetworkId, bridge, bridges));
  const pools = [...view.pools.values()].map(({ value }) => readPool(value, config.pools[value.id] ?? value.path));
  return {
    ...base,
    memoryForVmsMiB: config.memoryForVmsMiB ?? Math.max(0, base.memoryMiB - reserveMiB),
    memoryIsConfigured: config.memoryForVmsMiB !== null,
    clockOffsetMs: null,
    ...(routed === undefined ? {} : { routedAddresses: routed.filter((address) => links.has(address)).sort() }),
    networks,
    pools: await Promise.all(pools),
    checks: [...(await check({ hosts: view.hosts.size, slewPpm: await readSlewPpm() })), await readStateDisk(config)],
  };
}

type Bridges = ReadonlySet<string> | undefined;
type BridgeReader = () => Promise<Bridges>;

function bridgeReader(): BridgeReader {
  let known: { readonly interfaces: string; readonly bridges: Bridges; readonly until: number } | undefined;
  return async () => {
    const interfaces = await interfaceNames();
    const now = performance.now();
    if (known?.interfaces !== interfaces || known.bridges === undefined || now > known.until) {
      known = { interfaces, bridges: await readBridges(), until: now + bridgesForMs };
    }
    return known.bridges;
  };
}

/** Of this network namespace; the numbers beside the names change all the time. */
async function interfaceNames(): Promise<string> {
  const table = await readFile("/proc/self/net/dev", "utf8").catch(() => "");
  return (table.match(/^ *[^:|]+(?=:)/gmu) ?? []).sort().join();
}

/** The names of this network namespace's bridges, asked of the kernel: /sys may show another namespace. */
function readBridges(): Promise<Bridges> {
  return new Promise((resolve) => {
    execFile("ip", ["-j", "link", "show", "type", "bridge"], { timeout: 5_000 }, (error, stdout) => {
      const links = linksSchema.safeParse(error === null ? parseJson(stdout || "[]") : undefined);
      resolve(links.success ? new Set(links.data.flatMap((link) => link.ifname ?? [])) : undefined);
    });
  });
}

function fitness(network: NetworkId, bridge: string, bridges: Bridges) {
  const unfit = bridges === undefined ? "bridges-unreadable" : bridges.has(bridge) ? null : "bridge-missing";
  return { network, bridge, unfit };
}

async function readPool(pool: Pool, path: string): Promise<HostReading["pools"][number]> {
  try {
    await access(`${path}/.holdfast-pool`);
    const space = await statfs(path);
    const inMiB = (blocks: number): number =>
      Math.floor((blocks * space.bsize) / mebibyte / spaceStepMiB) * spaceStepMiB;
    const removable = await liesOnRemovable((await stat(path)).dev);
    return { pool: pool.id, capacityMiB: inMiB(space.blocks), freeMiB: inMiB(space.bavail), unfit: null, removable };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return {
      pool: pool.id,
      capacityMiB: 0,
      freeMiB: 0,
      unfit: missing ? "folder-or-mark-missing" : "unreadable",
      removable: false,
    };
  }
}
