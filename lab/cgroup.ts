import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "./lab-error.ts";
import { sleepSync } from "./shell.ts";

/** Where cgroup v2 is mounted (not always /sys/fs/cgroup). */
export function cgroupRoot(): string {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const path = mounts.map((line) => line.split(" ")).find((fields) => fields[2] === "cgroup2")?.[1];
  if (path !== undefined) return path;
  throw new LabError(
    "No cgroup v2 file system is mounted.",
    "The lab's hosts cannot be frozen or powered off.",
    "Mount one: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
  );
}

export function makeCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Process ids as this process sees them; empty where the cgroup does not exist. Zombies are not listed. */
export function cgroupPids(path: string): readonly number[] {
  return readText(join(path, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
}

/** All folders below and including `path`, deepest first. */
export function cgroupTree(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...below.flatMap((entry) => cgroupTree(join(path, entry.name))), path];
}

export function treePids(path: string): readonly number[] {
  return cgroupTree(path).flatMap((folder) => cgroupPids(folder));
}

export function isPopulated(path: string): boolean {
  return readText(join(path, "cgroup.events")).includes("populated 1");
}

export function isFrozen(path: string): boolean {
  return readText(join(path, "cgroup.events")).includes("frozen 1");
}

export function setFrozen(path: string, frozen: boolean): void {
  writeFileSync(join(path, "cgroup.freeze"), frozen ? "1" : "0");
}

/** Kills everything below `path`, frozen or not, and waits until it is empty. False: something is left after `limitMs`. */
export function killCgroupSync(path: string, limitMs: number): boolean {
  if (!existsSync(path)) return true;
  for (let waited = 0; waited < limitMs; waited += 5) {
    writeFileSync(join(path, "cgroup.kill"), "1");
    if (!isPopulated(path)) return true;
    sleepSync(5);
  }
  return !isPopulated(path);
}

/** Removes empty cgroups, deepest first. A folder whose last process is just leaving is busy for a moment. */
export function removeCgroupSync(path: string): void {
  for (const folder of cgroupTree(path)) {
    for (let attempt = 0; existsSync(folder); attempt++) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if (attempt > 200) throw error;
        sleepSync(5);
      }
    }
  }
}

/** The pid that a process of another pid namespace has there; undefined once it is gone. */
export function innerPid(pid: number): number | undefined {
  const line = /^NSpid:\s*(.*)$/mu.exec(readText(`/proc/${pid}/status`))?.[1];
  return line === undefined ? undefined : Number(line.split(/\s+/u).at(-1));
}

/** The kernel's letter for a process (R, S, D, T, Z …); undefined once it is gone. */
export function processState(pid: number): string | undefined {
  return /^State:\s+(\w)/mu.exec(readText(`/proc/${pid}/status`))?.[1];
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // gone meanwhile: nothing is in it
  }
}
