import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { OutgoingRequest } from "../../ports/migration.ts";
import type { JobError, LiveRun } from "./host.ts";
import { hangUp, isFrozen } from "./move-hang-up.ts";
import { exportName } from "./move-images.ts";
import { paceOf } from "./move-pace.ts";
import { stillWatch } from "./move-progress.ts";
import { executeAll, executeTogether, moveRefused, nextWord, whatEndedCopy, whatStalled } from "./move-qmp.ts";
import { tlsId } from "./move-tls.ts";
import type { QmpEnd } from "./qmp.ts";
import { queryStatus } from "./watch.ts";

// The source's side of disks that a guest takes along: each is mirrored into the target's image, in background mode, so that
// no write of the guest's ever waits for the target, and a job may be ended at any moment (docs/designs/0005-live-moves.md).

const limits = {
  connectMs: 2_000,
  /** QEMU, and its guest, stand still for as long as the target takes to let a disk be opened. */
  openMs: 5_000,
  openSeconds: 2,
  /** For what is told; that a copy is ready, or has ended, QEMU says by itself. */
  lookMs: 250,
  endLookMs: 50,
  endPollMs: 2,
  /** What is left once the guest stands still is little; a storage that is slow to flush gets this long. */
  endMs: 20_000,
  stallMs: 10_000,
  /** A job that is broken off waits for what is on its way; then its connection is cut. */
  cancelMs: 1_000,
  goneMs: 5_000,
  stopMs: 2_000,
  /** Copied so many times over, and still not ready: its guest writes faster than the link. */
  timesMax: 4,
} as const;

const mebibyte = 1024 * 1024;

export type Mirroring = {
  readonly copied: readonly number[];
  readonly address: string;
  readonly nbd: number;
  readonly request: OutgoingRequest;
};
type DiskCopy = { readonly doneBytes: number; readonly leftBytes: number };
type Ended = { readonly kind: "done" } | Refusal | { readonly kind: "unknown"; readonly cause: string };
const done = { kind: "done" } as const;

const jobSchema = z.object({
  id: z.string(),
  status: z.string(),
  "current-progress": z.number(),
  "total-progress": z.number(),
  error: z.string().optional(),
});
type Job = z.infer<typeof jobSchema>;

const prefix = "move-disk";
const nameOf = (disk: number): string => `${prefix}${disk}`;
const diskOf = (name: string): number => Number(name.slice(prefix.length));

/** Every disk's job, and nothing else's; undefined: QEMU does not say. */
async function queryJobs(live: LiveRun): Promise<readonly Job[] | undefined> {
  const end = await live.qmp?.execute("query-jobs");
  const parsed = end?.kind === "done" ? z.array(jobSchema).safeParse(end.value) : undefined;
  return parsed?.success === true ? parsed.data.filter(({ id }) => id.startsWith(prefix)) : undefined;
}

/** Begins a copy of each. The guest goes on, and what it writes meanwhile is copied again. */
export async function startMirrors(live: LiveRun, mirroring: Mirroring): Promise<Ended> {
  const { copied, address, nbd, request } = mirroring;
  // A connection that is not answered would stop QEMU, and its guest, for as long as the kernel tries.
  if (!(await connects(address, nbd))) return brokenOff(live, `nobody answers at port ${nbd} of ${address}`);
  const tls = request.tls ? { "tls-creds": tlsId, "tls-hostname": request.to } : {};
  live.jobErrors.clear();
  live.copied = copied;
  const pace = paceOf(request.bandwidthMiBps, copied.length);
  for (const i of copied) {
    const node = {
      driver: "nbd",
      "node-name": nameOf(i),
      server: { type: "inet", host: address, port: String(nbd) },
      export: exportName(request.as, i),
      // Without it a target that is gone in the midst of the handshake keeps QEMU's connecting thread and its main loop waiting for
      // each other, for ever (docs/GOTCHAS.md).
      "open-timeout": limits.openSeconds,
      ...tls,
    };
    const added = await live.qmp?.execute("blockdev-add", node, { limitMs: limits.openMs });
    if (added?.kind === "late" && (await hangUp(live, () => !isFrozen(live))).kind === "ended")
      return brokenOff(live, whatStalled(address, limits.openMs));
    if (added?.kind !== "done") return refused(live, added);
    const job = {
      "job-id": nameOf(i),
      device: `disk${i}`,
      target: nameOf(i),
      sync: "full",
      "copy-mode": "background",
      "on-target-error": "report",
      "on-source-error": "report",
      // Its end is read, not guessed from a job that is gone.
      "auto-dismiss": false,
      ...pace.job,
    };
    const begun = await live.qmp?.execute("blockdev-mirror", job, { limitMs: limits.openMs });
    if (begun?.kind !== "done") return refused(live, begun);
  }
  return done;
}

function refused(live: LiveRun, end: QmpEnd | undefined): Ended {
  return moveRefused(live, end ?? { kind: "dead" });
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (answer: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(answer);
    };
    const limit = setTimeout(() => finish(false), limits.connectMs);
    socket.on("connect", () => finish(true));
    socket.on("error", () => finish(false));
  });
}

/** `heard`: of its words before the last question; one that came since may be newer than the answer. */
async function nextJobWord(live: LiveRun, heard: number, limitMs: number, signal?: AbortSignal): Promise<void> {
  if (live.jobWords === heard) await nextWord(live.onJob, limitMs, signal);
}

/** Until all of them are ready: what is left then is what the guest writes at that moment. */
export async function awaitMirrors(
  live: LiveRun,
  { copied, address, request }: Mirroring,
  signal: AbortSignal,
  look: (copy: DiskCopy & { readonly stillMs: number }) => void,
): Promise<Ended> {
  const { vm } = live.run;
  const { bandwidthMiBps: limit } = request;
  const { restMs } = paceOf(limit, copied.length);
  const stillOf = stillWatch(2 * limits.lookMs, restMs);
  let first = 0;
  const share = bandwidthShare(live, limit, copied.length);
  for (let heard = -1; !signal.aborted; await nextJobWord(live, heard, limits.lookMs, signal)) {
    heard = live.jobWords;
    const jobs = await queryJobs(live);
    if (live.qmp === undefined) return refuse("vm-not-running", { vm });
    // One that does not answer is frozen, or its main loop is busy: neither is the link's fault.
    if (jobs === undefined) continue;
    const failed = jobs.find(({ status }) => status === "concluded" || status === "aborting");
    if (failed !== undefined || jobs.length < copied.length) return copyFailed(live, failed);
    const copy = sumOf(jobs);
    const stillMs = stillOf(copy.doneBytes, performance.now());
    look({ ...copy, stillMs });
    if (jobs.every(({ status }) => status === "ready")) return done;
    await share(jobs);
    if (first === 0) first = copy.doneBytes + copy.leftBytes;
    if (copy.doneBytes > limits.timesMax * first) return unsettled(live, copy);
    if (stillMs > limits.stallMs) return brokenOff(live, whatStalled(address, stillMs));
  }
  return refuse("move-cancelled", { vm });
}

/**
 * A disk that is nearly there leaves the bandwidth to the others, and is bounded no more: a job rests behind each piece, and calls
 * its disk copied only where nothing was written meanwhile, which beside a guest that writes all the time is never. From then on
 * its share is what the guest writes to it, as it is of one that is ready: QEMU bounds those no more either.
 */
function bandwidthShare(live: LiveRun, limit: number | null, disks: number): (jobs: readonly Job[]) => Promise<void> {
  const there = new Set<string>();
  const { littleBytes } = paceOf(limit, disks);
  return async (jobs) => {
    const before = there.size;
    for (const job of jobs) if (isNearlyThere(job, littleBytes)) there.add(job.id);
    if (limit === null || there.size === before) return;
    const { speed } = paceOf(limit, disks - there.size).job;
    // Refused by one that has just ended: how it ended is read with the next look.
    await executeTogether(
      live,
      jobs.map(({ id }) => ["block-job-set-speed", { device: id, speed: there.has(id) ? 0 : speed }]),
    );
  };
}

/** One that has not looked at its disk yet counts nothing of it. */
function isNearlyThere(job: Job, littleBytes: number): boolean {
  const { "current-progress": done, "total-progress": total } = job;
  return job.status === "ready" || (total > 0 && total - done < littleBytes);
}

function sumOf(jobs: readonly Job[]): DiskCopy {
  const doneBytes = jobs.reduce((sum, job) => sum + job["current-progress"], 0);
  const total = jobs.reduce((sum, job) => sum + job["total-progress"], 0);
  return { doneBytes, leftBytes: Math.max(0, total - doneBytes) };
}

function unsettled(live: LiveRun, { doneBytes, leftBytes }: DiskCopy): Refusal {
  const copiedMiB = Math.round(doneBytes / mebibyte);
  return refuse("move-disks-unsettled", { vm: live.run.vm, copiedMiB, remainingMiB: Math.ceil(leftBytes / mebibyte) });
}

/** QEMU says which side of a copy failed: a disk of the guest's own that cannot be read is no fault of the way or the target. */
function copyFailed(live: LiveRun, job: Job | undefined): Refusal {
  const detail = job?.error ?? "a copy of its disks has ended";
  const failed = job === undefined ? undefined : live.jobErrors.get(job.id);
  if (job === undefined || failed !== "read") return brokenOff(live, detail, failed);
  const disk = diskOf(job.id) + 1;
  return refuse("move-disk-unreadable", { vm: live.run.vm, disk, detail });
}

function brokenOff(live: LiveRun, detail: string, failed?: JobError): Refusal {
  return refuse("move-broke-off", { vm: live.run.vm, detail: whatEndedCopy(detail, failed) });
}

/** One whose own disk failed stands already, and stays so: QEMU repeats what failed where it goes on. */
const stoppedStates: ReadonlySet<string | undefined> = new Set(["paused", "io-error"]);

/** Stops the guest. Where a copy hangs on a link that is cut, QEMU would wait for it: then its connections are cut as well. */
export async function stopGuest(live: LiveRun, copied: readonly number[]): Promise<QmpEnd> {
  live.stoppedToMove = true;
  if (copied.length === 0) return executeAll(live, [["stop"]]);
  const end = (await live.qmp?.execute("stop", undefined, { limitMs: limits.stopMs })) ?? { kind: "dead" };
  if (end.kind !== "late") return end;
  await yankEach(live, copied);
  for (const giveUpAt = performance.now() + limits.goneMs; performance.now() < giveUpAt; await sleep(limits.endPollMs))
    if (stoppedStates.has(await queryStatus(live))) return { kind: "done", value: undefined };
  return end;
}

/**
 * Only while the guest stands still: copies what is left, flushes it to the target's storage, and lets go. `done` says that
 * the target has every write that the guest was answered (S15); a job that ended in any other way says nothing of the kind.
 */
export async function endMirrors(live: LiveRun, { copied }: Mirroring, signal: AbortSignal): Promise<Ended> {
  const before = await queryJobs(live);
  for (const i of copied) {
    const job = before?.find(({ id }) => id === nameOf(i));
    // Before it is ready the same order would break it off.
    if (job?.error !== undefined) return copyFailed(live, job);
    if (job?.status !== "ready") return brokenOff(live, "a copy of its disks is not ready");
  }
  const end = await executeTogether(
    live,
    copied.map((i) => ["block-job-cancel", { device: nameOf(i) }]),
  );
  if (end.kind !== "done") return moveRefused(live, end);
  for (const giveUpAt = performance.now() + limits.endMs; ; ) {
    const heard = live.jobWords;
    const jobs = await queryJobs(live);
    if (live.qmp === undefined) return refuse("vm-not-running", { vm: live.run.vm });
    const failed = jobs?.find(({ error }) => error !== undefined);
    if (failed !== undefined) return copyFailed(live, failed);
    if (jobs?.length === copied.length && jobs.every(isWhole)) break;
    if (signal.aborted || performance.now() > giveUpAt) return brokenOff(live, "the copies of its disks do not end");
    await nextJobWord(live, heard, limits.endLookMs);
  }
  const names = copied.map(nameOf);
  return (await dismiss(live, names, names)) ? done : brokenOff(live, "the copies of its disks do not let go");
}

function isWhole(job: Job): boolean {
  return job.status === "concluded" && job.error === undefined && job["current-progress"] === job["total-progress"];
}

/** False: something is left of them. */
async function dismiss(live: LiveRun, jobs: readonly string[], nodes: readonly string[]): Promise<boolean> {
  const end = await executeTogether(live, [
    ...jobs.map((id) => ["job-dismiss", { id }] as const),
    ...nodes.map((node) => ["blockdev-del", { "node-name": node }] as const),
  ]);
  return end.kind === "done" && (await queryJobs(live))?.length === 0;
}

const nodesSchema = z.array(z.object({ "node-name": z.string() }));

async function namedNodes(live: LiveRun): Promise<readonly string[] | undefined> {
  const end = await live.qmp?.execute("query-named-block-nodes", { flat: true });
  const parsed = end?.kind === "done" ? nodesSchema.safeParse(end.value) : undefined;
  return parsed?.data?.map((node) => node["node-name"]).filter((name) => name.startsWith(prefix));
}

/** No trace is left, whoever began them: the guest's writes go to its own disks alone. False: something is, try again. */
export async function dropMirrors(live: LiveRun): Promise<boolean> {
  const jobs = (await queryJobs(live)) ?? (await jobsOnceFree(live));
  if (jobs === undefined) return false;
  for (const { id, status } of jobs)
    if (status !== "concluded") await live.qmp?.execute("block-job-cancel", { device: id, force: true });
  if (!(await areOver(live, limits.cancelMs))) {
    await yankEach(
      live,
      jobs.map(({ id }) => diskOf(id)),
    );
    if (!(await areOver(live, limits.goneMs))) return false;
  }
  const [left, nodes] = await Promise.all([queryJobs(live), namedNodes(live)]);
  if (left === undefined || nodes === undefined) return false;
  // QEMU flushes a node before it lets go of it, and stands still with its guest until that is answered: over a link that is cut in
  // silence for minutes. Nobody needs what is there any more.
  await yankEach(live, nodes.map(diskOf));
  return dismiss(
    live,
    left.map(({ id }) => id),
    nodes,
  );
}

/** QEMU may have stopped its guest by itself, and wait in its main loop for what the link does not bring. */
async function jobsOnceFree(live: LiveRun): Promise<readonly Job[] | undefined> {
  if (live.copied.length === 0 || live.qmp === undefined) return undefined;
  await yankEach(live, live.copied);
  return queryJobs(live);
}

async function areOver(live: LiveRun, limitMs: number): Promise<boolean> {
  for (const giveUpAt = performance.now() + limitMs; performance.now() < giveUpAt; await sleep(limits.endPollMs)) {
    const jobs = await queryJobs(live);
    if (jobs?.every(({ status }) => status === "concluded") === true) return true;
  }
  return false;
}

/** One by one: one that is unknown refuses all that are named with it. */
async function yankEach(live: LiveRun, disks: readonly number[]): Promise<void> {
  for (const disk of disks) {
    const instances = [{ type: "block-node", "node-name": nameOf(disk) }];
    await live.qmp?.execute("yank", { instances }, { limitMs: limits.stopMs, outOfBand: true });
  }
}
