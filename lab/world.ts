import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { cgroupRoot, makeCgroup } from "./cgroup.ts";
import { mountDisk, mountRun } from "./disk.ts";
import { type HostPlan, LabHost, planHost } from "./host.ts";
import type { HostProgram } from "./host-init.ts";
import { keepBooted } from "./keeper.ts";
import { describeError, LabError } from "./lab-error.ts";
import { bmcPort, hostsMax, labAddress, labNamespace, newRunId, runCgroup } from "./names.ts";
import { type Network, openNetwork } from "./network.ts";
import { startBmc } from "./power.ts";
import { openReach, type Reach } from "./reach.ts";
import { type RunRecord, removeDeadRuns, removeRun, startTimeOf, writeRecord } from "./record.ts";
import { command, quote, sleepSync } from "./shell.ts";

export type WorldOptions = {
  readonly hosts: number;
  /** What a host runs. Called once per host, before its first boot. */
  readonly programs: (host: HostPlan) => readonly HostProgram[];
  /** Called with all hosts before the first boots: certificates, configuration, store data. */
  readonly prepare?: (hosts: readonly HostPlan[], world: Pick<World, "dir" | "poolDir" | "run">) => Promise<void>;
  /** Must not exist, or be empty; removed at the end. Default: a new one below /tmp. */
  readonly dir?: string;
  /** Leave `dir` (logs, disks) after the end. */
  readonly keep?: boolean;
  readonly log: (line: string) => void;
};

/** A running lab. Everything of it carries `run`; `close` removes all of it. */
export interface World {
  readonly run: string;
  readonly dir: string;
  /** The shared pool: one folder, the same path on each host. */
  readonly poolDir: string;
  /** False: the machine has no loop devices, `fill-disk` is refused. */
  readonly ownDisks: boolean;
  readonly hosts: readonly LabHost[];
  readonly network: Network;
  readonly reach: Reach;
  readonly log: (line: string) => void;
  /** Throws `LabError` for an unknown name. */
  host(name: string): LabHost;
  close(): Promise<void>;
}

const stateDiskMiB = 1024;
const poolDiskMiB = 8192;

/** Starts the hosts and ends once each has booted. On any failure everything is removed again; throws `LabError`. */
export async function openWorld(options: WorldOptions): Promise<World> {
  await checkMachine(options);
  for (const run of removeDeadRuns()) options.log(`Removed what the dead lab ${run} had left.`);
  const run = newRunId();
  const dir = options.dir ?? `/tmp/hf-lab-${run}`;
  const cgroup = runCgroup(cgroupRoot(), run);
  const startTime = startTimeOf(process.pid) ?? "";
  const record: RunRecord = { run, pid: process.pid, startTime, dir, cgroup, keep: options.keep ?? false };
  writeRecord(record);
  // The last resort, for an exit that nobody planned. A killed lab is cleaned up by the next one.
  const atExit = (): void => removeTwice(record);
  const remove = (): void => {
    process.off("exit", atExit);
    removeRun(record);
  };
  process.once("exit", atExit);
  try {
    return await buildWorld(options, record, remove);
  } catch (error) {
    remove();
    throw error;
  }
}

/**
 * An exit in mid-start may leave a command that is just making something: look again after it. Throws nothing: what is
 * thrown while the process exits would keep it from exiting.
 */
function removeTwice(record: RunRecord): void {
  try {
    removeRun(record);
  } catch {
    // The second look tells.
  }
  sleepSync(200);
  try {
    removeRun(record);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  }
}

/** Throws `LabError` where no lab can start here; changes nothing. */
export async function checkMachine({ hosts, dir }: Pick<WorldOptions, "hosts" | "dir">): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new LabError("The lab needs root.", "It makes network namespaces and cgroups.", "Start it with sudo.");
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > hostsMax)
    throw new LabError(`${hosts} hosts are not possible.`, "Nothing was started.", `Choose 1 to ${hostsMax}.`);
  if (dir !== undefined && existsSync(dir) && readdirSync(dir).length > 0)
    throw new LabError(`The folder ${dir} is not empty.`, "Nothing was started.", "Give a new folder.");
  const tools = ["ip", "nft", "tc", "nsenter", "unshare", "ipmi_sim", "mkfs.ext4", "mount", "fallocate"];
  const script = `for tool in ${tools.map(quote).join(" ")}; do command -v "$tool" >/dev/null || echo "$tool"; done`;
  const missing = (await command("/bin/sh", ["-c", script])).stdout.split("\n").filter(Boolean);
  if (missing.length === 0) return;
  throw new LabError(
    `Programs are missing: ${missing.join(", ")}.`,
    "Nothing was started.",
    "Install them: node tools/setup.mjs --lab",
  );
}

async function buildWorld(options: WorldOptions, record: RunRecord, remove: () => void): Promise<World> {
  const { run, dir, cgroup } = record;
  const poolDir = join(dir, "pool");
  const password = randomBytes(8).toString("hex");
  mkdirSync(join(dir, "power"), { recursive: true, mode: 0o711 });
  makeCgroup(join(cgroup, "lab"));
  const numbers = Array.from({ length: options.hosts }, (_, i) => i + 1);
  const plans = numbers.map((index) => planHost(run, dir, cgroup, index, password, bmcPort(index)));
  const [network, ownDisks] = await Promise.all([openNetwork(run), mountDisks(dir, poolDir, plans)]);
  const inLab = labPrefix(run, cgroup);
  await options.prepare?.(plans, { run, dir, poolDir });
  const hosts = plans.map((plan) => new LabHost(plan, labNamespace(run), network, options.programs(plan)));
  for (const host of hosts) host.switchOn();
  const keeper = keepBooted(hosts, join(dir, "power"), options.log);
  const [reach] = await Promise.all([
    openReach(dir, inLab),
    ...plans.map((plan) => startPowerController(plan, dir, password, inLab)),
    keeper.start(),
  ]);
  let closed = false;
  return {
    run,
    dir,
    poolDir,
    ownDisks,
    hosts,
    network,
    reach,
    log: options.log,
    host: (name) => hosts.find((host) => host.name === name) ?? unknownHost(name, hosts),
    close: async () => {
      if (closed) return;
      closed = true;
      await keeper.stop();
      reach.close();
      remove();
    },
  };
}

/** The words that put a helper into the lab's own cgroup and network namespace, before it runs. */
function labPrefix(run: string, cgroup: string): readonly [string, ...string[]] {
  const script = `echo 0 > ${quote(join(cgroup, "lab", "cgroup.procs"))} && exec nsenter --net=${quote(`/run/netns/${labNamespace(run)}`)} -- "$@"`;
  return ["/bin/sh", "-c", script, "sh"];
}

async function mountDisks(dir: string, poolDir: string, plans: readonly HostPlan[]): Promise<boolean> {
  for (const plan of plans) mkdirSync(join(dir, plan.name), { recursive: true });
  const disks = plans.map((plan) => mountDisk(join(dir, plan.name, "state.img"), plan.dirs.state, stateDiskMiB));
  const runs = plans.map((plan) => mountRun(plan.dirs.run));
  for (const plan of plans) for (const folder of [plan.dirs.etc, plan.dirs.log]) mkdirSync(folder, { recursive: true });
  const pool = mountDisk(join(dir, "pool.img"), poolDir, poolDiskMiB);
  await Promise.all(runs);
  return (await Promise.all([...disks, pool])).every(Boolean);
}

async function startPowerController(
  plan: HostPlan,
  dir: string,
  password: string,
  prefix: readonly string[],
): Promise<void> {
  const address = labAddress("management");
  const { name, index, powerSwitch: script } = plan;
  await startBmc({ name, address, port: bmcPort(index), password, script, dir: join(dir, "power"), prefix });
}

function unknownHost(name: string, hosts: readonly LabHost[]): never {
  throw new LabError(
    `There is no host ${name}.`,
    "Nothing was done.",
    `Known are: ${hosts.map((host) => host.name).join(", ")}.`,
  );
}
