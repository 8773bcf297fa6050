import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "../../base/backoff.ts";
import type { VmExit } from "../../model/records.ts";
import { killCgroupVerified, readCgroupEvents, waitCgroupEmpty } from "../linux/cgroup.ts";
import { removeTaps } from "../linux/tap.ts";
import { type LiveRun, type QemuHost, runKey } from "./host.ts";
import { connectQmp, type QmpEvent } from "./qmp.ts";
import { lastWords, removeRunFolder } from "./run-folder.ts";

const limits = {
  /** From the end of QMP until the last thread of a QEMU that exits has left its cgroup. */
  dyingMs: 3_000,
  quitMs: 2_000,
  killMs: 10_000,
  retryFirstMs: 50,
  retryMaxMs: 1_000,
  diskRetryFirstMs: 1_000,
  diskRetryMaxMs: 10_000,
  /** A write that fails again stops the guest well within this. */
  diskSettleMs: 500,
} as const;

/** What QEMU calls its own end, as far as it still says something (facts: "What proves which state"). */
const exitByReason: Readonly<Record<string, VmExit>> = {
  "guest-shutdown": "guest-shutdown",
  "guest-panic": "panicked",
  "host-qmp-quit": "host-quit",
  "host-signal": "host-quit",
  "host-ui": "host-quit",
};

/** Connects QMP and keeps the run's state up to date. False: nobody answers at its socket. */
export async function attach(host: QemuHost, live: LiveRun, limitMs: number | null): Promise<boolean> {
  const listener = { event: (event: QmpEvent) => onEvent(host, live, event), end: () => onEnd(host, live) };
  const qmp = await connectQmp(live.paths.qmp, listener, limitMs, live.abort.signal);
  if (qmp === undefined) return false;
  live.qmp = qmp;
  return true;
}

/**
 * Follows a run whose QMP is not connected, until it is or until nothing of it is left. A frozen QEMU accepts and says
 * nothing: this waits for its greeting without polling.
 */
export async function follow(host: QemuHost, live: LiveRun): Promise<void> {
  for (let attempt = 0; !host.closed && !live.ending; attempt++) {
    if (readCgroupEvents(live.cgroup)?.populated !== true) return endOfRun(host, live);
    if (await attach(host, live, null)) return takeStatus(host, live);
    if (await waitCgroupEmpty(live.cgroup, backoffMs(attempt, limits.retryFirstMs, limits.retryMaxMs))) continue;
  }
}

/** QEMU's word for its guest's state; undefined: it does not say. */
export async function queryStatus(live: LiveRun, limitMs?: number): Promise<string | undefined> {
  const end = await live.qmp?.execute("query-status", undefined, limitMs === undefined ? {} : { limitMs });
  if (end?.kind !== "done") return undefined;
  const { value } = end;
  const status = typeof value === "object" && value !== null && "status" in value ? value.status : undefined;
  return typeof status === "string" ? status : undefined;
}

/** Sends a frame from each of its NICs: the bridges learn where this VM is now, before its guest has anything to say. */
export function announce(live: LiveRun): void {
  void live.qmp?.execute("announce-self", { initial: 20, max: 500, rounds: 6, step: 60 });
}

/** Acts on what happened before anybody listened: the guest may have ended while no agent was there. */
export async function takeStatus(host: QemuHost, live: LiveRun): Promise<void> {
  const status = await queryStatus(live);
  if (live.phase === "handed" && status === "running") void live.qmp?.execute("stop");
  if (live.phase === "incoming" || live.phase === "handed") return;
  // Whoever halted it is gone, and it must not go on.
  if (live.phase === "halted") {
    live.exit ??= "guest-shutdown";
    void endOfRun(host, live);
    return;
  }
  if (status === "shutdown") guestDown(host, live, "guest-shutdown");
  else if (status === "guest-panicked") guestDown(host, live, "panicked");
  else if (live.phase === "running" && (status === "io-error" || status === "paused")) emitPaused(host, live, status);
}

/** Its own disk failed while it was copied: it is tried again as ever; the copy goes on, and takes along what failed. */
async function failedOnItsWay(host: QemuHost, live: LiveRun): Promise<void> {
  if (live.stoppedToMove || (await queryStatus(live)) !== "io-error") return;
  if (live.phase === "leaving" && !live.stoppedToMove) emitPaused(host, live, "io-error");
}

function onEvent(host: QemuHost, live: LiveRun, { event, data }: QmpEvent): void {
  const { reason, guest } = data;
  switch (event) {
    case "SHUTDOWN": {
      const exit = exitByReason[String(reason)] ?? "host-quit";
      if (guest === true) guestDown(host, live, exit);
      else live.exit ??= exit;
      break;
    }
    case "GUEST_PANICKED":
      guestDown(host, live, "panicked");
      break;
    case "RESET":
      if (reason === "guest-reset" && !live.ending) host.emit({ kind: "guest-rebooted", run: live.run });
      break;
    case "STOP":
      if (live.phase === "running") void queryStatus(live).then((status) => emitPaused(host, live, status));
      else if (live.phase === "leaving") void failedOnItsWay(host, live);
      break;
    case "RESUME":
      // A guest that QEMU stopped by itself goes on by itself where the hand-over fails: not under this name (S15).
      if (live.phase === "handed" || live.phase === "halted") void live.qmp?.execute("stop");
      if (!live.ending && !live.awaitsDisk && live.phase === "running") host.emit({ kind: "resumed", run: live.run });
      break;
    case "MIGRATION":
      live.migration = String(data["status"]);
      for (const hear of live.onMigration) hear();
      break;
    case "BLOCK_JOB_ERROR":
      live.jobErrors.set(String(data["device"]), data["operation"] === "read" ? "read" : "write");
      break;
    case "JOB_STATUS_CHANGE":
      live.jobWords++;
      for (const hear of live.onJob) hear();
      break;
  }
}

/** Where a run stands still by itself: a disk that failed, or somebody's order. An ended guest is no paused one. */
function emitPaused(host: QemuHost, live: LiveRun, status: string | undefined): void {
  if (live.ending || live.awaitsDisk || host.closed) return;
  if (status === "paused") host.emit({ kind: "paused", run: live.run, by: "host" });
  if (status !== "io-error") return;
  host.emit({ kind: "paused", run: live.run, by: "storage-error" });
  void awaitDisk(host, live);
}

/** A move of it is over, and what stood still for it was let go on: what happened to it meanwhile was no news then. */
export async function takeStatusAfterMove(host: QemuHost, live: LiveRun): Promise<void> {
  // Told while it was on its way: nobody listened.
  if (live.awaitsDisk && (await queryStatus(live)) === "io-error")
    host.emit({ kind: "paused", run: live.run, by: "storage-error" });
  else await takeStatus(host, live);
}

/**
 * A full disk gets room one day, a lost path comes back: the guest is let go on now and then. QEMU repeats the write that
 * failed, and stops the guest again by itself where it fails again; the guest never sees an error.
 */
async function awaitDisk(host: QemuHost, live: LiveRun): Promise<void> {
  live.awaitsDisk = true;
  const { signal } = live.abort;
  for (let attempt = 0; !live.ending && !host.closed && live.qmp !== undefined; attempt++) {
    const waitMs = backoffMs(attempt, limits.diskRetryFirstMs, limits.diskRetryMaxMs);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    // Without an answer it may stand frozen: then nothing of it is tried.
    const before = await queryStatus(live);
    if (before === undefined) continue;
    if (before !== "io-error") break;
    // It may have been halted meanwhile, and must never go on then (S25); or stopped to be moved (S15).
    if (live.ending || live.stoppedToMove) break;
    await live.qmp?.execute("cont");
    await sleep(limits.diskSettleMs, undefined, { signal }).catch(() => undefined);
    const after = await queryStatus(live);
    if (after !== undefined && after !== "io-error") break;
  }
  live.awaitsDisk = false;
  // Whoever ends the move looks after it, here or at the target.
  if (live.stoppedToMove) return;
  const status = await queryStatus(live);
  if (live.ending || host.closed || live.stoppedToMove) return;
  if (status === "running") host.emit({ kind: "resumed", run: live.run });
  else emitPaused(host, live, status);
}

function onEnd(host: QemuHost, live: LiveRun): void {
  live.qmp = undefined;
  live.onGuestDown();
  for (const hear of [...live.onMigration, ...live.onJob]) hear();
  if (host.closed || live.ending || live.launching) return;
  // The sockets close some milliseconds before the cgroup is empty.
  void waitCgroupEmpty(live.cgroup, limits.dyingMs).then(() => follow(host, live));
}

function guestDown(host: QemuHost, live: LiveRun, exit: VmExit): void {
  live.exit ??= exit;
  live.onGuestDown();
  // A start that still waits for the first sign of life goes on by itself and comes back here.
  if (!live.ending && ["running", "arriving", "leaving"].includes(live.phase)) void endOfRun(host, live);
}

/** Its guest or its QEMU has ended by itself: clears away and tells, in this order, so that a restart finds the disk free. */
async function endOfRun(host: QemuHost, live: LiveRun): Promise<void> {
  if (live.ending || host.closed) return;
  live.ending = true;
  const { run } = live;
  const neverRan = live.phase === "starting";
  const detail = lastWords(live.paths);
  await quit(live);
  // The next driver takes it up where this one was closed before it was done.
  for (;;) {
    if (host.closed) return;
    if (await clearAway(host, live)) break;
    await sleep(limits.retryMaxMs);
  }
  // A copy that has handed its guest over is no news: the VM lives elsewhere.
  if (live.phase === "handed") return;
  if (live.phase === "incoming") {
    host.emitMove({ kind: "incoming-lost", run, detail });
    return;
  }
  const exit = live.exit ?? (neverRan ? "start-failed" : exitByLastWords(detail));
  host.emit({ kind: "exited", run, exit, detail: detail === "" ? null : detail });
}

/**
 * Of a run whose QMP ended without a word. A command that finds the pipe broken makes Node give up what lies unread in the
 * socket, the event of the shutdown with it; what QEMU wrote before that event stays.
 */
function exitByLastWords(said: string): VmExit {
  return /\bterminating on signal \d+/u.test(said) ? "host-quit" : "killed";
}

/** Asks QEMU to end and waits; a frozen one is never asked (S6). */
export async function quit(live: LiveRun): Promise<void> {
  if (live.qmp === undefined || readCgroupEvents(live.cgroup)?.frozen !== false) return;
  const end = await live.qmp.execute("quit", undefined, { limitMs: limits.quitMs });
  if (end.kind !== "late") await waitCgroupEmpty(live.cgroup, limits.dyingMs);
}

/** Kills what is left, verifies that nothing is, and removes all traces. False: something of it still lives. */
export async function clearAway(host: QemuHost, live: LiveRun): Promise<boolean> {
  if (!(await killCgroupVerified(live.cgroup, limits.killMs))) return false;
  live.abort.abort();
  live.qmp?.close();
  live.closeDoors();
  await removeTaps(live.taps);
  removeRunFolder(live.paths);
  host.runs.delete(runKey(live.run));
  return true;
}
