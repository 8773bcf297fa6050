import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { must } from "../../base/assert.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "../../ports/hypervisor.ts";
import { makeCgroup } from "../linux/cgroup.ts";
import { makeTaps, type Tap, tapName } from "../linux/tap.ts";
import { commandLine, type DiskImage } from "./command-line.ts";
import { type LiveRun, newLiveRun, type QemuHost, runCgroup, runKey } from "./host.ts";
import { openedImage } from "./opened-image.ts";
import { imagePath, poolFolder } from "./pool-folder.ts";
import { lastWords, pathsFit, runPaths, setPhase, writeRunRecord } from "./run-folder.ts";
import { announce, attach, clearAway, follow, queryStatus, takeStatus } from "./watch.ts";

const limits = {
  /** Until QEMU answers and says that the guest executes; in a frozen folder it never does. */
  startMs: 30_000,
  retryMs: 4,
  /** What a QEMU needs beyond its guest's memory (measured: 105 MiB with TCG, less with KVM). */
  overheadMiB: 110,
} as const;

/** The shell says so where the cgroup could not be entered: a removed incarnation starts nothing (S6). */
const noCgroupStatus = 97;
/** Its arguments: the cgroup, then the command. */
export const enterAndExec = `echo $$ > "$1/cgroup.procs" || exit ${noCgroupStatus}; shift; exec "$@"`;

export function startRun(host: QemuHost, request: StartRequest): Promise<HypervisorEnd> {
  return launchRun(host, request, "starting", async (live) => {
    announce(live);
    // What happened between the first sign of life and here is read from the state; told after the start's own end.
    setImmediate(() => void (live.qmp === undefined ? follow(host, live) : takeStatus(host, live)));
    return { kind: "done" };
  });
}

/**
 * Brings a QEMU up in its cgroup, as a run that starts, or as one that waits for a guest (`incoming`); what `then` refuses
 * is cleared away like a start that failed.
 */
export async function launchRun<End extends { readonly kind: string }>(
  host: QemuHost,
  request: StartRequest,
  as: "starting" | "incoming",
  then: (live: LiveRun) => Promise<End>,
): Promise<End | Refusal | { readonly kind: "unknown"; readonly cause: string }> {
  const { run } = request;
  const refusal = checkRequest(host, request);
  if (refusal !== undefined) return refusal;
  const made = makeCgroup(runCgroup(host.options, run));
  if (made === "exists") return refuse("vm-run-exists", { vm: run.vm, epoch: run.epoch });
  if (made === "no-parent") return incarnationGone(run);
  const taps = request.vm.spec.nics.map((nic, i) => ({
    name: tapName(`${host.options.cluster}/${host.options.runDir}/${run.vm}.${run.epoch}/${i}`),
    bridge: must(host.options.networks[nic.network], "Cannot make a tap: checked before"),
  }));
  const live = newLiveRun(
    host,
    run,
    taps.map((tap) => tap.name),
    as,
  );
  live.launching = true;
  const end = (await bringUp(host, live, request, taps)) ?? (await then(live));
  live.launching = false;
  live.ending = end.kind === "refused";
  if (end.kind === "refused" && !(await clearAway(host, live)))
    return { kind: "unknown", cause: `the cgroup of ${runKey(run)} did not become empty` };
  return end;
}

async function bringUp(
  host: QemuHost,
  live: LiveRun,
  request: StartRequest,
  taps: readonly Tap[],
): Promise<Refusal | undefined> {
  const { phase } = live;
  const tapEnd = await makeTaps(taps);
  if (tapEnd.kind === "bridge-missing") return refuse("bridge-missing", { bridge: tapEnd.bridge });
  if (tapEnd.kind === "failed") return refuse("tap-failed", { detail: tapEnd.detail });
  writeRunRecord(live.paths, { schema: 1, ...live.run, phase, taps: [...live.taps] });
  const child = launch(host, live, request);
  const refusal = await waitUntilUp(host, live, child);
  if (refusal === undefined && phase === "starting") setPhase(live, "running");
  return refusal;
}

/** In a session of its own and with no pipe to this process: nothing of the agent's fate reaches it. */
function launch(host: QemuHost, live: LiveRun, request: StartRequest): ChildProcess {
  const { run, vm } = request;
  const disks: DiskImage[] = vm.spec.disks.map((disk) => {
    const { path, format } = must(openedImage(host, request, disk), "Cannot launch: checked before");
    return { path, format, direct: canBypassCache(path), serial: disk.volume };
  });
  const { cluster, accel } = host.options;
  const incoming = live.phase === "incoming";
  const args = commandLine({ run, cluster, vm, accel, disks, taps: live.taps, paths: live.paths, incoming });
  const log = openSync(live.paths.log, "w", 0o600);
  const binary = host.options.binary ?? "qemu-system-x86_64";
  const child = spawn("/bin/sh", ["-c", enterAndExec, "sh", live.cgroup, binary, ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
  });
  closeSync(log);
  child.unref();
  return child;
}

/** Undefined: its guest executes (or has executed and ended), or QEMU waits for one that comes in. */
async function waitUntilUp(host: QemuHost, live: LiveRun, child: ChildProcess): Promise<Refusal | undefined> {
  let ended: number | string | undefined;
  child.on("error", (error) => {
    ended ??= error.message;
  });
  child.on("exit", (status, signal) => {
    ended ??= status ?? signal ?? "ended";
  });
  const giveUpAt = performance.now() + limits.startMs;
  while (performance.now() < giveUpAt) {
    if (ended !== undefined) return live.exit === undefined ? startFailure(live, ended) : undefined;
    if (live.qmp !== undefined || (await attach(host, live, giveUpAt - performance.now()))) {
      const status = await queryStatus(live);
      if (live.phase === "incoming" ? status === "inmigrate" : status !== undefined && status !== "prelaunch")
        return undefined;
    }
    await sleep(limits.retryMs);
  }
  return refuse("vm-start-late", { vm: live.run.vm, seconds: limits.startMs / 1000 });
}

function startFailure(live: LiveRun, ended: number | string): Refusal {
  if (ended === noCgroupStatus) return incarnationGone(live.run);
  const said = lastWords(live.paths);
  const { vm } = live.run;
  if (/Failed to get ".*" lock/u.test(said)) return refuse("vm-image-locked", { vm, detail: said });
  if (/unable to find CPU model/iu.test(said)) return refuse("vm-cpu-model-unknown", { vm, detail: said });
  if (ended === 127) return refuse("qemu-missing", { detail: said });
  return refuse("vm-start-failed", { vm, detail: said === "" ? `QEMU ended with ${ended}` : said });
}

function checkRequest(host: QemuHost, { run, vm, pools }: StartRequest): Refusal | undefined {
  const { options } = host;
  if (host.runs.has(runKey(run))) return refuse("vm-run-exists", { vm: run.vm, epoch: run.epoch });
  if (!pathsFit(runPaths(options.runDir, run))) return refuse("run-path-too-long", { path: options.runDir });
  for (const disk of vm.spec.disks) {
    const pool = pools.find(({ id }) => id === disk.pool);
    if (pool === undefined) return refuse("pool-not-in-cluster", { pool: disk.pool });
    const folder = poolFolder(options.pools, pool);
    if (!existsSync(folder)) return refuse("pool-folder-missing", { pool: pool.name, path: folder });
    const path = imagePath(folder, disk.volume, disk.format);
    if (!existsSync(path)) return refuse("vm-image-missing", { vm: vm.name, path });
  }
  for (const { network } of vm.spec.nics)
    if (!Object.hasOwn(options.networks, network)) return refuse("network-unmapped", { network });
  for (const path of [vm.spec.kernel?.path, vm.spec.kernel?.initrd])
    if (typeof path === "string" && !existsSync(path)) return refuse("vm-kernel-missing", { vm: vm.name, path });
  const needMiB = vm.spec.memoryMiB + limits.overheadMiB;
  const freeMiB = availableMemoryMiB();
  return needMiB > freeMiB ? refuse("vm-memory-short", { vm: vm.name, needMiB, freeMiB }) : undefined;
}

function incarnationGone(run: VmRun): Refusal {
  return refuse("incarnation-gone", { vm: run.vm, incarnation: run.incarnation });
}

function availableMemoryMiB(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/mu.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return Math.floor(Number(kib) / 1024);
}

/** Not every file system takes O_DIRECT; without it QEMU would refuse the image. */
function canBypassCache(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
}
