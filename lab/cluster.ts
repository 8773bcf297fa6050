import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import {
  clientUrl,
  etcdEnvironment,
  memberCommand,
  memberDataDir,
  peerUrl,
  type StoreMemberSpec,
} from "../src/adapters/etcd/member.ts";
import { createAuthority, issueHostCertificate, type KeyPair } from "../src/adapters/pki/authority.ts";
import { chooseAccel } from "../src/adapters/qemu/accel.ts";
import type { ClusterPlan } from "../src/core/cluster-creation.ts";
import { profiles, withoutDeadline } from "../src/core/limits.ts";
import type { HostConfig } from "../src/model/config.ts";
import type { ClusterId, HostId, NetworkId, PoolId } from "../src/model/ids.ts";
import type { HostPlan, LabHost } from "./host.ts";
import type { HostProgram } from "./host-init.ts";
import { LabError } from "./lab-error.ts";
import { linkSubnet, vmBridge } from "./names.ts";
import { type Forward, labHttps } from "./reach.ts";
import { accelLine, memoryShareMiB } from "./readiness.ts";
import { quote, until } from "./shell.ts";
import { openWorld, type World, type WorldOptions } from "./world.ts";

export type ClusterOptions = Omit<WorldOptions, "programs" | "prepare"> & {
  readonly profile: "default" | "fast";
  readonly accel: HostConfig["accel"];
  /** `pair`: the last host is a witness, which votes and runs no VM. */
  readonly layout?: Layout;
  /** Of `two`: whether hosts cut each other's power by themselves (S23). */
  readonly takeover?: HostConfig["takeover"];
  /** What a host runs besides etcd and the guards, for instance heart and holdfastd with `--config FILE`. */
  readonly daemons: (host: HostPlan, configFile: string) => readonly HostProgram[];
};

/** PEM texts of an identity of the cluster. */
export type Identity = KeyPair & { readonly ca: string };

/** A world whose hosts carry a store, each host's certificates and its configuration. */
export interface Cluster {
  readonly world: World;
  readonly id: ClusterId;
  /** The lab's own certificate towards the store, for tests and measurements that look from outside. */
  readonly identity: Identity;
  /** What `createClusterTransaction` writes into the empty store. */
  readonly plan: ClusterPlan;
  /** Hosts that run VMs. */
  readonly workers: readonly LabHost[];
  readonly configFile: (host: string) => string;
  /** KVM was ordered although a trial guest did not boot with it. */
  readonly kvmDoubted: boolean;
  /** `https://127.0.0.1:PORT` of each member's client port, passed through the lab; stays while the world is open. */
  storeEndpoints(): Promise<readonly string[]>;
}

/** `two`: no witness, and no deadline (S23). */
export type Layout = "hosts" | "pair" | "two";

export const labPool = "pool1";
/** A folder of each host's own. */
export const labLocalPool = "local1";
export const labNetwork = "lan";
const buildDir = join(import.meta.dirname, "..", ".build");
export const guardBinary = join(buildDir, "holdfast-guard");
export const labKernel = { path: join(buildDir, "guest", "vmlinuz"), initrd: join(buildDir, "guest", "initrd.gz") };

const clientPort = 2379;
const peerPort = 2380;
/** Below the host's own small disk, so that the store says NOSPACE before the disk does. */
const storeQuotaBytes = 512 * 1024 ** 2;
const healthLimitMs = 30_000;
/** A member that was started more often than this in its first seconds will not serve. */
const storeStartsMax = 4;
const hostReserveMiB = 512;

/** Starts a world and its store; ends once each member serves. On failure everything is removed again; throws `LabError`. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  if (!existsSync(guardBinary))
    throw new LabError("The guard is not compiled.", "No host could run a VM.", "Run: node tools/setup.mjs --lab");
  const { accel, kvmDoubted } = await chooseLabAccel(options);
  const id = `lab-${randomBytes(4).toString("hex")}` as ClusterId;
  const authority = await createAuthority(id);
  const own = await issueHostCertificate(authority, { host: "lab" as HostId, addresses: [], names: [] });
  let members: readonly StoreMemberSpec[] = [];
  const world = await openWorld({
    ...options,
    prepare: async (hosts, { poolDir }) => {
      members = hosts.map((host) => memberOf(host, id, options));
      await Promise.all(hosts.map((host) => writeCertificates(host, authority)));
      for (const host of hosts) writeConfig(host, id, poolDir, members, { ...options, accel });
    },
    programs: (host) => [
      ...storePrograms(host, members),
      ...(isWitness(host, options) ? [] : guardPrograms(host, options)),
      ...options.daemons(host, configFile(host)),
    ],
  });
  const identity = { ...own, ca: authority.cert };
  try {
    await Promise.all(world.hosts.map((host) => waitForMember(world, host.plan, identity)));
  } catch (error) {
    await world.close();
    throw error;
  }
  let forwards: Promise<readonly Forward[]> | undefined;
  return {
    world,
    id,
    identity,
    plan: planOf(id, world, options),
    workers: world.hosts.filter(({ plan }) => !isWitness(plan, options)),
    kvmDoubted,
    configFile: (name) => configFile(world.host(name).plan),
    storeEndpoints: async () => {
      forwards ??= Promise.all(world.hosts.map(({ plan }) => world.reach.forward(() => storeAddress(plan), 0)));
      return (await forwards).map(({ port }) => `https://127.0.0.1:${port}`);
    },
  };
}

/** The hosts share one machine: it is probed once per boot, not once per host. KVM that was ordered is probed, too, to warn. */
async function chooseLabAccel({ accel: wanted, log }: ClusterOptions): Promise<{
  readonly accel: HostConfig["accel"];
  readonly kvmDoubted: boolean;
}> {
  if (wanted === "tcg") return { accel: wanted, kvmDoubted: false };
  const choice = await chooseAccel({ wanted: "auto", cacheFile: join(buildDir, "accel.json"), kernel: labKernel });
  const line = accelLine(choice, wanted === "kvm");
  if (line !== undefined) log(line);
  if (wanted === "kvm") return { accel: wanted, kvmDoubted: choice.accel !== "kvm" };
  return { accel: choice.accel, kvmDoubted: false };
}

const configFile = (host: HostPlan): string => join(host.dirs.etc, "holdfast.yaml");
const storeAddress = (host: HostPlan) => ({ address: host.addresses.management, port: clientPort });
const tlsFiles = (host: HostPlan) => ({
  ca: join(host.dirs.etc, "ca.pem"),
  cert: join(host.dirs.etc, "host.pem"),
  key: join(host.dirs.etc, "host.key"),
});

function memberOf(host: HostPlan, cluster: ClusterId, options: ClusterOptions): StoreMemberSpec {
  return {
    name: host.name,
    cluster,
    address: host.addresses.management,
    clientPort,
    peerPort,
    dataDir: memberDataDir(host.dirs.state),
    tls: tlsFiles(host),
    profile: options.profile,
    quotaBytes: storeQuotaBytes,
  };
}

/** 127.0.0.1 stands in it for the ports that the lab opens for tests. */
async function writeCertificates(host: HostPlan, authority: KeyPair): Promise<void> {
  const addresses = [host.addresses.management, host.addresses.availability, "127.0.0.1"];
  const pair = await issueHostCertificate(authority, { host: host.name as HostId, addresses, names: [host.name] });
  const files = tlsFiles(host);
  mkdirSync(host.dirs.etc, { recursive: true });
  writeFileSync(files.ca, authority.cert);
  writeFileSync(files.cert, pair.cert);
  writeFileSync(files.key, pair.key, { mode: 0o600 });
}

function writeConfig(
  host: HostPlan,
  cluster: ClusterId,
  poolDir: string,
  members: readonly StoreMemberSpec[],
  options: ClusterOptions,
): void {
  const local = localPoolDir(host);
  mkdirSync(local, { recursive: true });
  writeFileSync(join(local, ".holdfast-pool"), `${JSON.stringify({ schema: 1, cluster, pool: labLocalPool })}\n`);
  const own = members.filter((member) => member.name === host.name);
  const others = members.filter((member) => member.name !== host.name);
  const config: HostConfig = {
    host: host.name as HostId,
    cluster,
    machine: `lab-${host.namespace}`,
    role: isWitness(host, options) ? "witness" : "host",
    runDir: host.dirs.run,
    stateDir: host.dirs.state,
    cgroup: host.vmsCgroup,
    store: { endpoints: [...own, ...others].map(clientUrl), ...tlsFiles(host) },
    profile: profileOf(options),
    networks: { [labNetwork as NetworkId]: vmBridge },
    pools: { [labPool as PoolId]: poolDir, [labLocalPool as PoolId]: local },
    memoryForVmsMiB: memoryShareMiB(Math.floor(totalmem() / 1024 ** 2), members.length, hostReserveMiB),
    accel: options.accel,
    watchdog: null,
    takeover: options.takeover ?? "order",
    // Process 1 ends, and everything of the host with it; the keeper boots what is switched on.
    commands: {
      reboot: ["/bin/sh", "-c", "kill -TERM 1"],
      powerOff: ["/bin/sh", "-c", `echo off > ${quote(host.powerState)}; kill -TERM 1`],
      restartStore: ["/bin/sh", "-c", `kill -TERM "$(cat ${quote(join(host.dirs.etc, "pids", "etcd"))})"`],
    },
  };
  writeFileSync(configFile(host), stringify(config));
}

function storePrograms(host: HostPlan, members: readonly StoreMemberSpec[]): readonly HostProgram[] {
  const own = members.find((member) => member.name === host.name);
  if (own === undefined) return [];
  const initial = members.map((member) => ({ name: member.name, peerUrl: peerUrl(member) }));
  const { run, state } = host.dirs;
  const argv = memberCommand(own, { state: "new", members: initial }, { runDir: run, stateDir: state });
  return [{ name: "etcd", argv, env: etcdEnvironment() }];
}

/** Level `a` holds level `b`, which holds the incarnations (docs/designs/0001): each guard can freeze all of them alone. */
function guardPrograms(host: HostPlan, options: ClusterOptions): readonly HostProgram[] {
  const levels = { a: join(host.vmsCgroup, "a"), b: join(host.vmsCgroup, "a", "b") };
  const { deadlineMs, marginMs } = profileOf(options);
  return (["a", "b"] as const).map((name) => ({
    name: `guard-${name}`,
    argv: [
      guardBinary,
      ...["--name", name, "--level", levels[name], "--runs", levels.b, "--run-dir", host.dirs.run],
      ...["--deadline-ms", String(deadlineMs), "--margin-ms", String(marginMs)],
    ],
  }));
}

function profileOf({ layout, profile }: ClusterOptions): HostConfig["profile"] {
  return layout === "two" ? withoutDeadline : profiles[profile];
}

/** Where a host's own pool lies: its disk stays over reboots. */
export function localPoolDir({ dirs }: HostPlan): string {
  return join(dirs.state, "local-pool");
}

export function isWitness({ index }: HostPlan, { layout, hosts }: Pick<ClusterOptions, "layout" | "hosts">): boolean {
  return layout === "pair" && index === hosts;
}

function planOf(id: ClusterId, world: World, options: ClusterOptions): ClusterPlan {
  const plans = world.hosts.map((host) => host.plan);
  return {
    id,
    name: `lab ${world.run}`,
    members: plans.map((plan) => ({
      id: plan.name as HostId,
      name: plan.name,
      role: isWitness(plan, options) ? "witness" : "host",
      links: (["management", "availability"] as const).map((kind) => ({
        kind,
        address: plan.addresses[kind],
        subnet: linkSubnet(kind),
      })),
    })),
    pools: [
      { name: labPool, kind: "shared-dir", path: world.poolDir, quotaMiB: null },
      { name: labLocalPool, kind: "local-dir", path: "/var/lib/holdfast/pool", quotaMiB: null },
    ],
    networks: [labNetwork],
    devices: new Map(plans.map((plan) => [plan.name as HostId, plan.device])),
    hostReserveMiB,
  };
}

async function waitForMember(world: World, host: HostPlan, identity: Identity): Promise<void> {
  const starts = new Set<number>();
  const healthy = async (): Promise<true | undefined> => {
    const pid = world.host(host.name).pidOf("etcd");
    if (pid !== undefined) starts.add(pid);
    if (starts.size > storeStartsMax) throw notServing(host, "it ends again and again");
    const end = await labHttps(world.reach, storeAddress(host), "/health", identity);
    return end.kind === "answered" && end.body.includes('"true"') ? true : undefined;
  };
  await until(healthy, healthLimitMs, () => notServing(host, `not within ${healthLimitMs / 1000} s`), 50);
}

function notServing(host: HostPlan, how: string): LabError {
  const log = join(host.dirs.log, "etcd.log");
  const words = readFileSync(log, "utf8").trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  return new LabError(
    `The store's member on ${host.name} does not serve: ${how}. Its last words: ${words === "" ? "none" : words}`,
    "Without a store nothing is decided; the lab ends.",
    `Look for what it says there; all its words are in ${log} where the lab is started with --keep.`,
  );
}
