import { setTimeout as sleep } from "node:timers/promises";
import { cgroupPids, readCgroupEvents } from "../linux/cgroup.ts";
import { runCommand } from "../linux/command.ts";
import type { LiveRun } from "./host.ts";
import { incomingPorts } from "./move-images.ts";
import { type MigrateInfo, queryMigrate } from "./move-qmp.ts";

const limits = {
  /** A main loop that is at work answers in milliseconds. */
  answerMs: 2_000,
  toolMs: 5_000,
  /** From the end of its connection until QEMU is at its commands again. */
  backMs: 2_000,
  pollMs: 50,
} as const;

/**
 * S15. QEMU agrees on TLS in its main loop, and opens a disk at the target there as well. A target that has taken the connection and
 * loses its power before it answers keeps it waiting for ever, and with it the guest; no command gets through, and `yank` does not
 * know these connections yet. So the kernel is told to end them. True: there were some.
 */
export async function hangUp({ cgroup }: LiveRun): Promise<boolean> {
  const ports = ["dport", "ge", `:${incomingPorts.first}`, "and", "dport", "le", `:${incomingPorts.last}`];
  const { stdout } = await runCommand("ss", ["-Htnp", ...ports], { limitMs: limits.toolMs });
  const found = connectionsOf(stdout, cgroupPids(cgroup));
  for (const { local, peer } of found)
    await runCommand("ss", ["-KHtn", "src", local, "and", "dst", peer], { limitMs: limits.toolMs });
  return found.length > 0;
}

export type Connection = { readonly local: string; readonly peer: string };

/** Of these processes, by the words of `ss -Htnp`: state, two queues, both ends, processes. */
export function connectionsOf(told: string, pids: readonly number[]): readonly Connection[] {
  return told.split("\n").flatMap((line) => {
    const [, , , local, peer, ...processes] = line.trim().split(/\s+/u);
    const isOurs = [...processes.join(" ").matchAll(/pid=(\d+)/gu)].some(([, pid]) => pids.includes(Number(pid)));
    return isOurs && local !== undefined && peer !== undefined ? [{ local, peer }] : [];
  });
}

/**
 * What QEMU says of the migration that is called off. Where it says nothing, and is not frozen, it may wait for the target: its
 * connections are ended first. Undefined: it does not answer all the same.
 */
export async function queryToCallOff(live: LiveRun): Promise<MigrateInfo | undefined> {
  const info = await queryMigrate(live, limits.answerMs);
  if (info !== undefined || live.qmp === undefined || isFrozen(live) || !(await hangUp(live))) return info;
  for (const giveUpAt = performance.now() + limits.backMs; performance.now() < giveUpAt; await sleep(limits.pollMs)) {
    const after = await queryMigrate(live, limits.backMs);
    if (after !== undefined || live.qmp === undefined) return after;
  }
  return undefined;
}

export function isFrozen({ cgroup }: LiveRun): boolean {
  return readCgroupEvents(cgroup)?.frozen === true;
}
