import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export type CgroupEvents = { readonly populated: boolean; readonly frozen: boolean };

/** The mount point of cgroup v2: not the same on every machine. Undefined where there is none. */
export function findCgroupMount(mounts = readFileSync("/proc/self/mounts", "utf8")): string | undefined {
  const found = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2");
  return found?.[1]?.replaceAll("\\040", " ");
}

/** What `cgroup.events` says: also true of what the folders above did. Undefined: there is no such cgroup. */
export function readCgroupEvents(folder: string): CgroupEvents | undefined {
  const text = readIfThere(join(folder, "cgroup.events"));
  if (text === undefined) return undefined;
  return { populated: /^populated 1$/mu.test(text), frozen: /^frozen 1$/mu.test(text) };
}

/** The processes in this very folder. Empty where it is gone. */
export function cgroupPids(folder: string): readonly number[] {
  const text = readIfThere(join(folder, "cgroup.procs")) ?? "";
  return text.split("\n").filter(Boolean).map(Number);
}

/** Makes the last part of the path only: a removed folder above it must not come back (S6). */
export function makeCgroup(folder: string): "made" | "exists" | "no-parent" {
  try {
    mkdirSync(folder);
    return "made";
  } catch (error) {
    if (hasCode(error, "EEXIST")) return "exists";
    // ENODEV: the folder above is being removed at this moment.
    if (hasCode(error, "ENOENT") || hasCode(error, "ENODEV")) return "no-parent";
    throw error;
  }
}

/** Moves a process with all its threads. False where the process or the folder is gone. */
export function moveToCgroup(folder: string, pid: number): boolean {
  try {
    writeFileSync(join(folder, "cgroup.procs"), String(pid), { flag: "r+" });
    return true;
  } catch (error) {
    if (hasCode(error, "ESRCH") || hasCode(error, "ENOENT") || hasCode(error, "ENODEV")) return false;
    throw error;
  }
}

export function freezeCgroup(folder: string, frozen: boolean): void {
  writeFileSync(join(folder, "cgroup.freeze"), frozen ? "1" : "0", { flag: "r+" });
}

/** Sends SIGKILL to all of it; what is frozen dies frozen (S6). Says nothing about when it is over. */
export function killCgroup(folder: string): void {
  const file = join(folder, "cgroup.kill");
  try {
    if (existsSync(file)) writeFileSync(file, "1", { flag: "r+" });
    // Kernels before 5.14.
    else for (const pid of cgroupPids(folder)) process.kill(pid, "SIGKILL");
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENODEV") || hasCode(error, "ESRCH")) return;
    throw error;
  }
}

/** Waits for `populated 0`, the only proof that nothing of it runs (a pid that still answers may be a zombie). */
export async function waitCgroupEmpty(folder: string, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    if (readCgroupEvents(folder)?.populated !== true) return true;
    if (performance.now() >= end) return false;
    await sleep(waitMs);
  }
}

/** Kills, verifies and removes. False: something still lives in it, or it cannot be removed. */
export async function killCgroupVerified(folder: string, limitMs: number): Promise<boolean> {
  killCgroup(folder);
  return (await waitCgroupEmpty(folder, limitMs)) && removeCgroup(folder);
}

/** True where the folder is gone afterwards. */
export function removeCgroup(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return true;
    if (hasCode(error, "EBUSY")) return false;
    throw error;
  }
}

export function cgroupChildren(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory());
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ENODEV: the cgroup was removed between opening and reading.
    if (hasCode(error, "ENOENT") || hasCode(error, "ENODEV")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
