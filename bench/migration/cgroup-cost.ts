import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { makeCgroup, removeCgroup } from "../../src/adapters/linux/cgroup.ts";
import { enterAndExec } from "../../src/adapters/qemu/start.ts";
import { median } from "./row.ts";

const trials = 9;

/**
 * Milliseconds by which a process starts later where it has to be in a cgroup of its own before it executes (S6): the kernel lets
 * the one who enters wait. `root`: a cgroup to make one in. Part of each move through the port, and of none by hand.
 */
export function measureCgroupMs(root: string): number {
  const folder = join(root, "probe");
  const took = (script: string): number => {
    makeCgroup(folder);
    const began = performance.now();
    spawnSync("/bin/sh", ["-c", script, "sh", folder, "true"]);
    const tookMs = performance.now() - began;
    removeCgroup(folder);
    return tookMs;
  };
  const rounds = Array.from({ length: trials }, () => took(enterAndExec) - took('shift; exec "$@"'));
  return median(rounds);
}
