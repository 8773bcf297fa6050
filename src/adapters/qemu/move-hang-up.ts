import { setTimeout as sleep } from "node:timers/promises";
import { cgroupPids, readCgroupEvents } from "../linux/cgroup.ts";
import { runCommand } from "../linux/command.ts";
import type { LiveRun } from "./host.ts";
import { incomingPorts } from "./move-images.ts";
import { awaitQmp, type MigrateInfo, queryMigrate } from "./move-qmp.ts";

const limits = {
  /** A main loop that is at work answers in milliseconds. */
  answerMs: 2_000,
  toolMs: 5_000,
  /** From the end of its connections until QEMU is at its commands again, and a driver that is new has reached it. */
  backMs: 8_000,
  pollMs: 50,
} as const;

/** `none`: it has no connection of a move, or none that may be ended any more. `failed`: it has, and the kernel did not end it. */
export type HangUp = { readonly kind: "ended" | "none" } | { readonly kind: "failed"; readonly detail: string };

/**
 * S15. QEMU agrees on TLS in its main loop, and opens a disk at the target there as well. A target that has taken the connection and
 * loses its power before it answers keeps it waiting for ever, and with it the guest; no command gets through, and `yank` does not
 * know these connections yet. So the kernel is told to end them. `isStill`: looked at again once they are known, right before.
 */
export async function hangUp({ cgroup }: LiveRun, isStill: () => boolean): Promise<HangUp> {
  const ports = ["dport", "ge", `:${incomingPorts.first}`, "and", "dport", "le", `:${incomingPorts.last}`];
  const listed = await ss(["-Htnp", ...ports]);
  if (listed.status !== 0) return { kind: "failed", detail: whatFailed(listed) };
  const found = connectionsOf(listed.stdout, cgroupPids(cgroup));
  if (found.length === 0 || !isStill()) return { kind: "none" };
  let detail = "this kernel does not end connections (CONFIG_INET_DIAG_DESTROY)";
  let ended = 0;
  for (const { local, peer } of found) {
    const end = await ss(["-KHtn", "src", local, "and", "dst", peer]);
    // It names what it has ended; of a kernel that cannot it only says nothing.
    if (end.stdout.trim() !== "") ended += 1;
    else if (end.status !== 0) detail = whatFailed(end);
  }
  return ended > 0 ? { kind: "ended" } : { kind: "failed", detail };
}

type Told = Awaited<ReturnType<typeof runCommand>>;

function ss(args: readonly string[]): Promise<Told> {
  return runCommand("ss", args, { limitMs: limits.toolMs });
}

function whatFailed({ stderr }: Told): string {
  return `ss (iproute2): ${stderr.trim() || "it did not answer"}`;
}

export type Connection = { readonly local: string; readonly peer: string };

/** Of these processes, by the words of `ss -Htnp`: state, two queues, both ends, processes. */
export function connectionsOf(told: string, pids: readonly number[]): readonly Connection[] {
  return told.split("\n").flatMap((line) => {
    const [, , , local, peer, ...processes] = line.trim().split(/\s+/u);
    const isOurs = [...processes.join(" ").matchAll(/pid=(\d+)/gu)].some(([, pid]) => pids.includes(Number(pid)));
    return isOurs && local !== undefined && peer !== undefined
      ? [{ local: withoutLink(local), peer: withoutLink(peer) }]
      : [];
  });
}

/** It names the link of an address that counts on one alone, and does not take that back. */
function withoutLink(end: string): string {
  return end.replace(/%[^\]:]+/u, "");
}

/** What QEMU says of the migration that is called off; `silent`: nothing, and why. */
export type CalledOff = { readonly info: MigrateInfo } | { readonly silent: string };

/**
 * Where QEMU says nothing, also to a driver that is new, and is not frozen, it may wait for the target: its connections are ended
 * first. Only for a run that nobody has handed over.
 */
export async function queryToCallOff(live: LiveRun): Promise<CalledOff> {
  const first = await ask(live);
  if (first !== undefined) return { info: first };
  if (!mayWait(live)) return { silent: "it does not answer" };
  const end = await hangUp(live, () => mayWait(live) && live.phase === "leaving");
  if (end.kind === "failed")
    return { silent: `it may wait for the target, and its connection does not end: ${end.detail}` };
  for (const giveUpAt = performance.now() + limits.backMs; performance.now() < giveUpAt; await sleep(limits.pollMs)) {
    const info = await ask(live);
    if (info !== undefined) return { info };
    if (!mayWait(live)) break;
  }
  return { silent: "it does not answer" };
}

/** Also of a driver that is new, and not connected yet. */
async function ask(live: LiveRun): Promise<MigrateInfo | undefined> {
  return (await awaitQmp(live, limits.answerMs)) ? queryMigrate(live, limits.answerMs) : undefined;
}

export function isFrozen({ cgroup }: LiveRun): boolean {
  return readCgroupEvents(cgroup)?.frozen === true;
}

/** It is there and could answer. */
function mayWait({ cgroup }: LiveRun): boolean {
  const events = readCgroupEvents(cgroup);
  return events?.populated === true && !events.frozen;
}
