import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { Measurement, Use } from "../../ports/sensors.ts";

/** USER_HZ is 100 on every Linux that Node is made for. */
const tickUs = 10_000;
const bytesPerMiB = 1024 * 1024;
const kibPerMiB = 1024;

/** Reads what the host and the cgroups of `runs` have used so far. */
export async function measureUsage(runs: readonly VmRun[], cgroupOf: (run: VmRun) => string): Promise<Measurement> {
  const atMs = performance.now();
  const [host, ...uses] = await Promise.all([
    orUnknown(hostUse()),
    ...runs.map((run) => orUnknown(runUse(cgroupOf(run)))),
  ]);
  return { atMs, host, runs: runs.map((run, i) => ({ run, use: uses[i] ?? "unknown" })) };
}

/** A file that is gone or holds something else: what it would have said is unknown. */
function orUnknown(reading: Promise<Use>): Promise<Use | "unknown"> {
  return reading.catch(() => "unknown");
}

async function hostUse(): Promise<Use> {
  const [stat, meminfo] = await Promise.all([readFile("/proc/stat", "utf8"), readFile("/proc/meminfo", "utf8")]);
  return { cpuUs: busyUs(stat), memoryMiB: takenMiB(meminfo) };
}

async function runUse(cgroup: string): Promise<Use> {
  const cpuUs = fieldOf(await readFile(join(cgroup, "cpu.stat"), "utf8"), "usage_usec");
  const memory = await readFile(join(cgroup, "memory.stat"), "utf8").catch(ifMissing);
  if (memory === undefined) return { cpuUs, memoryMiB: await processesMiB(cgroup) };
  return { cpuUs, memoryMiB: (fieldOf(memory, "anon") + fieldOf(memory, "shmem")) / bytesPerMiB };
}

/** Without the memory controller, as on hosts that mix both versions of cgroups: what its processes hold. */
async function processesMiB(cgroup: string): Promise<number> {
  const pids = (await readFile(join(cgroup, "cgroup.procs"), "utf8")).split("\n").filter(Boolean);
  if (pids.length === 0) throw new Error(`Cannot measure ${cgroup}: nothing runs in it`);
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, "utf8")));
  return texts.reduce((sum, status) => sum + residentMiB(status), 0);
}

/** Time of all processors in which they worked; `user` and `nice` hold the guests' already (proc_stat(5)). */
export function busyUs(stat: string): number {
  const [user, nice, system, , , irq, softirq] = (/^cpu +(.*)$/mu.exec(stat)?.[1] ?? "").split(" ").map(Number);
  const ticks = [user, nice, system, irq, softirq].reduce<number>((sum, count) => sum + (count ?? Number.NaN), 0);
  if (!Number.isFinite(ticks)) throw new Error("Cannot read /proc/stat: it has no line of all processors");
  return ticks * tickUs;
}

/** What could not be given to somebody without swapping. */
export function takenMiB(meminfo: string): number {
  return (fieldOf(meminfo, "MemTotal:") - fieldOf(meminfo, "MemAvailable:")) / kibPerMiB;
}

/** A kernel thread and what has just ended have no such lines, and hold nothing. */
export function residentMiB(status: string): number {
  if (!/^RssAnon:/mu.test(status)) return 0;
  return (fieldOf(status, "RssAnon:") + fieldOf(status, "RssShmem:")) / kibPerMiB;
}

function fieldOf(text: string, name: string): number {
  const found = new RegExp(`^${name}\\s+(\\d+)`, "mu").exec(text)?.[1];
  if (found === undefined) throw new Error(`Cannot find ${name}`);
  return Number(found);
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
