import { readFileSync } from "node:fs";
import type { LabHost } from "../../lab/host.ts";
import { type BenchLab, waitUntilReady } from "./bench-lab.ts";

type ProgramUse = { readonly privateMiB: number | null; readonly cpuSeconds: number | null };

const quietMs = 60_000;
/** USER_HZ: the same on every Linux. */
const ticksPerSecond = 100;
const ours = ["holdfastd", "heart", "guard-a", "guard-b"];

/** Memory at the end of a quiet minute, and processor time during it, per host and program. */
export async function measureIdle(lab: BenchLab) {
  await waitUntilReady(lab);
  for (const vm of lab.vms) vm.writer.pause(true);
  const { hosts } = lab.cluster.world;
  const before = hosts.map(processorSeconds);
  await new Promise((resolve) => setTimeout(resolve, quietMs));
  const after = hosts.map(processorSeconds);
  const rows = hosts.map((host, i) => hostUse(host, before[i] ?? new Map(), after[i] ?? new Map()));
  for (const vm of lab.vms) vm.writer.pause(false);
  return { idle: { seconds: quietMs / 1000, vms: lab.vms.length, hosts: rows } };
}

/** By program and process: a restart in between must not look like a thrifty program. */
type Seconds = ReadonlyMap<string, { readonly pid: number; readonly seconds: number }>;

function processorSeconds(host: LabHost): Seconds {
  const found = new Map<string, { pid: number; seconds: number }>();
  for (const name of host.programNames()) {
    const pid = host.pidOf(name);
    if (pid === undefined) continue;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // utime and stime, counted after the closing bracket of the name.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    found.set(name, { pid, seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond });
  }
  return found;
}

function hostUse(host: LabHost, before: Seconds, after: Seconds) {
  const programs: Record<string, ProgramUse> = {};
  let cpuSeconds = 0;
  for (const name of host.programNames()) {
    const start = before.get(name);
    const end = after.get(name);
    const used = start !== undefined && end?.pid === start.pid ? round(end.seconds - start.seconds) : null;
    programs[name] = { privateMiB: end === undefined ? null : privateMiB(end.pid), cpuSeconds: used };
    if (ours.includes(name)) cpuSeconds += used ?? 0;
  }
  // The store is Debian's etcd and counted on its own line; the share is that of Holdfast's processes.
  const cpuPercent = round((cpuSeconds / (quietMs / 1000)) * 100);
  return { host: host.name, cpuSeconds: round(cpuSeconds), cpuPercent, programs };
}

function privateMiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return round(Number(/^Private_Dirty:\s+(\d+) kB/mu.exec(rollup)?.[1]) / 1024);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
