import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The mount of cgroup v2: /sys/fs/cgroup on most machines, a folder below it on mixed ones. */
export function cgroupRoot(): string {
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    if (after.startsWith("cgroup2 ")) return before.split(" ")[4] ?? "";
  }
  throw new Error("These tests need cgroup v2, and none is mounted: mount -t cgroup2 none /sys/fs/cgroup");
}

/** A fresh cgroup of this run. */
export function makeCgroup(name: string): string {
  if (process.getuid?.() !== 0) throw new Error("These tests need root: they make cgroups. Run them as root.");
  const path = join(cgroupRoot(), name);
  mkdirSync(path);
  if (!existsSync(join(path, "cgroup.kill"))) throw new Error("These tests need Linux 5.14 or newer (cgroup.kill)");
  return path;
}

export function cgroupEvent(path: string, name: "frozen" | "populated"): boolean {
  return readFileSync(join(path, "cgroup.events"), "utf8").includes(`${name} 1`);
}

/** Kills what is left below `path`, frozen or not, and removes it. */
export async function removeCgroup(path: string): Promise<void> {
  writeFileSync(join(path, "cgroup.kill"), "1");
  for (let round = 0; cgroupEvent(path, "populated"); round++) {
    if (round > 1_000) throw new Error(`Cannot empty ${path}: processes stay after a kill`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  removeFolders(path);
}

function removeFolders(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeFolders(join(path, entry.name));
  }
  rmdirSync(path);
}
