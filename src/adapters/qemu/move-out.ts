import { setTimeout as sleep } from "node:timers/promises";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { MoveProgress, OutgoingRequest } from "../../ports/migration.ts";
import { readCgroupEvents } from "../linux/cgroup.ts";
import { knockAt, type TlsTexts } from "./door.ts";
import { standsStill } from "./freeze-marks.ts";
import { type LiveRun, type QemuHost, runKey } from "./host.ts";
import { awaitMirrors, dropMirrors, endMirrors, type Mirroring, startMirrors, stopGuest } from "./move-disks.ts";
import { hangUp, isFrozen, queryToCallOff } from "./move-hang-up.ts";
import { type DiskCourse, diskProgress, isTimeToStop, progressOf, stillWatch } from "./move-progress.ts";
import {
  awaitMigration,
  awaitQmp,
  capabilities,
  executeAll,
  executeTogether,
  type MigrateInfo,
  moveRefused,
  queryMigrate,
  whatBroke,
  whatStalled,
} from "./move-qmp.ts";
import { readTlsTexts, tlsId, writeTlsFolder } from "./move-tls.ts";
import { noteLeft } from "./replica-left.ts";
import { setPhase } from "./run-folder.ts";
import { queryStatus, takeStatusAfterMove } from "./watch.ts";

const limits = {
  knockMs: 2_000,
  /** From `migrate` until the target's QEMU has taken the connection, TLS included. */
  connectMs: 5_000,
  /** Bytes of a cut connection wait in the kernel for a quarter of an hour: this long without any, and it is over. */
  stallMs: 10_000,
  /** Longer than a target's storage may take to flush what is left of its disks. */
  silentMs: 25_000,
  cancelMs: 2_000,
  /** As long as the target waits for it (core/limits.ts). */
  handOverMs: 10_000,
  progressMs: 250,
  disksFirstMs: 30,
  /** While the guest runs, the moment to stop it must not be missed. */
  watchMs: 25,
  /** What is left when QEMU stops to ask is sent after the point of no return: as little as there can be. */
  lastMs: 1,
  /** QEMU wants a number: more than any link bears. */
  unboundedBytes: 2 ** 40,
} as const;

const over = ["completed", "failed", "cancelled"];

/** Copies the guest until it stands still and only its devices' last state is missing at the target. */
export async function migrateOut(host: QemuHost, run: VmRun, request: OutgoingRequest): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  if (live === undefined) return refuse("vm-not-running", { vm: run.vm });
  if (live.ending || live.phase === "halted") return refuse("move-of-stopping-vm", { vm: run.vm });
  if (live.phase !== "running") return refuse("move-under-way", { vm: run.vm });
  if (live.qmp === undefined || isFrozen(live)) return refuse("vm-unresponsive", { vm: run.vm });
  const [status, earlier] = await Promise.all([queryStatus(live), queryMigrate(live).then((info) => info?.status)]);
  if (status !== "running") return refuse("move-guest-stands", { vm: run.vm });
  // An earlier attempt may still wait for an answer to its connection.
  if (earlier !== undefined && !over.includes(earlier)) return refuse("move-under-way", { vm: run.vm });
  const tls = request.tls ? readTlsTexts(host.options) : null;
  if (tls === undefined) return refuse("move-no-certificate", { vm: run.vm });
  // S20: the other host knows nothing of it, and nobody would let it go on there.
  if (standsStill(host.options.runDir, run.vm)) return refuse("move-file-systems-stand", { vm: run.vm });
  setPhase(live, "leaving");
  const giveUp = new AbortController();
  const settled = attempt(host, live, request, tls, giveUp.signal);
  live.copying = { giveUp, settled };
  try {
    return await settled;
  } finally {
    live.copying = undefined;
  }
}

async function attempt(
  host: QemuHost,
  live: LiveRun,
  request: OutgoingRequest,
  tls: TlsTexts | null,
  signal: AbortSignal,
): Promise<HypervisorEnd> {
  const end = await copyOut(host, live, request, tls, signal);
  // Whoever gives it up lets the guest go on.
  if (signal.aborted) return refuse("move-cancelled", { vm: live.run.vm });
  if (end.kind !== "refused") return end;
  const back = await goBack(host, live);
  return back.kind === "unknown" ? back : end;
}

async function copyOut(
  host: QemuHost,
  live: LiveRun,
  request: OutgoingRequest,
  tls: TlsTexts | null,
  signal: AbortSignal,
): Promise<HypervisorEnd> {
  const { vm } = live.run;
  // QEMU reads its certificates while the knock is answered: neither touches the guest.
  const [found, set] = await Promise.all([findLink(host, request, tls, signal), getReady(host, live, request, tls)]);
  if ("tried" in found) return refuse("move-no-link", { vm, to: request.to, tried: found.tried });
  if (set.kind !== "done") return moveRefused(live, set);
  const mirroring = mirroringOf(found, request);
  if (mirroring !== undefined && "code" in mirroring) return mirroring;
  const stopsFirst = host.options.accel === "tcg";
  const limit = request.bandwidthMiBps;
  const course: DiskCourse = { beganAt: performance.now(), percent: 0, memoryBytes: 0, stopsFirst, limit };
  if (mirroring !== undefined) {
    const copied = await copyDisks(host, live, mirroring, course, signal);
    if (copied.kind !== "done") return copied;
  }
  const stoppedAt = stopsFirst ? performance.now() : 0;
  // Without KVM QEMU misses memory that a running guest dirties (one guest of ten): it is stopped first.
  if (stoppedAt > 0 && !signal.aborted) {
    const stopped = await stopGuest(live, request.copied ?? []);
    if (stopped.kind !== "done") return moveRefused(live, stopped);
  }
  if (signal.aborted) return refuse("move-cancelled", { vm });
  const over = new AbortController();
  // A guest that stands still already writes nothing more: what is left of its disks is little, and goes first. A storage that
  // is slow to flush does so beside its memory.
  const ending = stoppedAt > 0 && mirroring !== undefined ? endMirrors(live, mirroring, over.signal) : undefined;
  const ended = ending === undefined ? undefined : await Promise.race([ending, sleep(limits.disksFirstMs)]);
  if (ended !== undefined && ended.kind !== "done") return ended;
  live.migration = undefined;
  const begun = await executeAll(live, [["migrate", { uri: uriOf(found) }]]);
  const { copied = [], downtimeMs } = request;
  const { percent } = course;
  const ready =
    begun.kind === "done"
      ? await followCopy(host, live, { link: found.address, stoppedAt, downtimeMs, signal, copied, percent, limit })
      : moveRefused(live, begun);
  if (ready.kind !== "done") {
    over.abort();
    await ending;
    return ready;
  }
  // The guest stands still now, and its owner may change only once its disks are whole there (S15).
  return mirroring === undefined ? ready : (ending ?? endMirrors(live, mirroring, over.signal));
}

function getReady(host: QemuHost, live: LiveRun, request: OutgoingRequest, tls: TlsTexts | null) {
  // One of an earlier move, in whatever direction, may be left: refused where there is none.
  void live.qmp?.execute("object-del", { id: tlsId });
  return executeTogether(live, [
    capabilities({
      events: true,
      "pause-before-switchover": true,
      "validate-uuid": true,
      "late-block-activate": false,
      "auto-converge": host.options.accel === "kvm",
    }),
    ...credentials(host, request, tls),
    ["migrate-set-parameters", parameters(request)],
  ]);
}

/** Bytes of the guest's memory; 0: QEMU does not say. */
async function memoryOf(live: LiveRun): Promise<number> {
  const end = await live.qmp?.execute("query-memory-size-summary");
  const value = end?.kind === "done" ? (end.value as { readonly "base-memory"?: unknown }) : {};
  return typeof value["base-memory"] === "number" ? value["base-memory"] : 0;
}

type Found = { readonly address: string; readonly port: number; readonly nbd?: number | undefined };

function mirroringOf({ address, nbd }: Found, request: OutgoingRequest): Mirroring | Refusal | undefined {
  const { copied = [], to } = request;
  if (copied.length === 0) return undefined;
  if (nbd !== undefined) return { copied, address, nbd, request };
  return refuse("move-no-link", { vm: request.as.vm, to, tried: `${address}: it takes no disks` });
}

/** The disks while the guest runs. What is told counts them and the memory that follows as one. */
async function copyDisks(
  host: QemuHost,
  live: LiveRun,
  mirroring: Mirroring,
  course: DiskCourse,
  signal: AbortSignal,
): Promise<HypervisorEnd> {
  const begun = await startMirrors(live, mirroring);
  if (begun.kind !== "done") return begun;
  course.memoryBytes = await memoryOf(live);
  let toldAt = 0;
  return awaitMirrors(live, mirroring, signal, (copy) => {
    if (performance.now() - toldAt < limits.progressMs) return;
    toldAt = performance.now();
    const progress = diskProgress(copy, course, mirroring.address, toldAt);
    course.percent = progress.percent;
    tellProgress(host, live, progress);
  });
}

function tellProgress(host: QemuHost, live: LiveRun, progress: MoveProgress): void {
  const waits = live.awaitsDisk ? { waitsForDisk: true } : {};
  host.emitMove({ kind: "progress", run: live.run, progress: { ...progress, ...waits } });
}

/** The first link that connects. */
async function findLink(
  host: QemuHost,
  { doors, as, to }: OutgoingRequest,
  tls: TlsTexts | null,
  signal: AbortSignal,
): Promise<Found | { readonly tried: string }> {
  const { cluster } = host.options;
  const access = { tls, to, limitMs: limits.knockMs, signal };
  const tried: string[] = [];
  for (const door of doors) {
    const answer = await knockAt(door, { cluster, vm: as.vm, epoch: as.epoch, tries: true }, access);
    if ("port" in answer) return { address: door.address, port: answer.port, nbd: answer.nbd };
    tried.push(`${door.address}: ${"no" in answer ? answer.no : "it is another door"}`);
  }
  return { tried: tried.join("; ") };
}

function uriOf({ address, port }: Found): string {
  return `tcp:${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function credentials({ options }: QemuHost, { to }: OutgoingRequest, tls: TlsTexts | null): [string, object][] {
  if (tls === null) return [["migrate-set-parameters", { "tls-creds": "", "tls-hostname": "" }]];
  const dir = writeTlsFolder(options.runDir, tls);
  return [
    ["object-add", { "qom-type": "tls-creds-x509", id: tlsId, endpoint: "client", dir, "verify-peer": true }],
    ["migrate-set-parameters", { "tls-creds": tlsId, "tls-hostname": to }],
  ];
}

function parameters({ bandwidthMiBps }: OutgoingRequest): object {
  const bytes = bandwidthMiBps === null ? limits.unboundedBytes : Math.round(bandwidthMiBps * 1024 * 1024);
  return { "max-bandwidth": bytes, "downtime-limit": limits.lastMs };
}

type Copying = {
  readonly link: string;
  /** 0: the guest runs. */
  stoppedAt: number;
  readonly downtimeMs: number;
  readonly signal: AbortSignal;
  /** Disks that are copied along, and how far that had come when the memory followed. */
  readonly copied: readonly number[];
  readonly percent: number;
  /** Its bandwidth; null: what the link bears. */
  readonly limit: number | null;
};

/** Until QEMU stops to ask for the hand-over, or the attempt has ended. Tells progress; stops a guest that still runs. */
async function followCopy(host: QemuHost, live: LiveRun, copying: Copying): Promise<HypervisorEnd> {
  let told: MoveProgress = {
    ...nothingYet,
    percent: copying.percent,
    link: copying.link,
    guest: courseOf(copying).guest,
  };
  let toldAt = 0;
  const tell = (progress: MoveProgress): void => {
    told = progress;
    toldAt = performance.now();
    tellProgress(host, live, progress);
  };
  const stillOf = stillWatch(2 * limits.progressMs);
  let stalled: string | undefined;
  let silentMs = 0;
  const look = async (info: MigrateInfo): Promise<number> => {
    silentMs = 0;
    const stillMs = stillOf(info.ram?.transferred ?? 0, performance.now());
    if (stillMs > (info.status === "setup" ? limits.connectMs : limits.stallMs)) {
      stalled ??= whatStalled(copying.link, stillMs);
      await live.qmp?.execute("migrate_cancel");
    }
    const runs = copying.stoppedAt === 0;
    if (runs && isTimeToStop(info, copying.downtimeMs)) {
      copying.stoppedAt = performance.now();
      await stopGuest(live, copying.copied);
    }
    if (performance.now() - toldAt >= limits.progressMs)
      tell(progressOf(info, { ...courseOf(copying), percent: told.percent, from: copying.percent, stillMs }));
    return runs ? limits.watchMs : limits.progressMs;
  };
  const { signal } = copying;
  // Before it has begun to send it waits for the target's first word, and its guest with it; later for a storage as well.
  const isStuck = (): boolean =>
    live.qmp !== undefined && !signal.aborted && !isFrozen(live) && (isConnecting(live) || silentMs > limits.silentMs);
  const unanswered = async (ms: number): Promise<void> => {
    silentMs += ms;
    if (isStuck() && (await hangUp(live, isStuck)).kind === "ended") stalled ??= whatStalled(copying.link, silentMs);
  };
  const wanted = ["pre-switchover", "cancelling", ...over];
  const status = await awaitMigration(live, wanted, { limitMs: null, signal, look, unanswered });
  if (status === "lost") return refuse("vm-not-running", { vm: live.run.vm });
  if (status !== "pre-switchover" || stalled !== undefined) return brokenOff(live, stalled);
  if (copying.stoppedAt === 0) copying.stoppedAt = performance.now();
  live.stoppedToMove = true;
  // Not asked of QEMU: the guest stands still, each question would cost it.
  const { guest, stoodMs } = courseOf(copying);
  const { stuck: _, ...last } = told;
  tell({ ...last, percent: 100, remainingMiB: 0, expectedDowntimeMs: Math.round(stoodMs), guest });
  return { kind: "done" };
}

function isConnecting({ migration }: LiveRun): boolean {
  return migration === undefined || migration === "none" || migration === "setup";
}

const nothingYet = { percent: 0, mibPerSecond: 0, remainingMiB: 0, expectedDowntimeMs: null };

function courseOf({ link, stoppedAt, limit }: Copying) {
  const guest = stoppedAt === 0 ? ("runs" as const) : ("stopped" as const);
  return { link, guest, limit, stoodMs: stoppedAt === 0 ? 0 : performance.now() - stoppedAt };
}

/** `stalled`: why it was given up here, of which QEMU knows nothing. */
async function brokenOff(live: LiveRun, stalled: string | undefined): Promise<HypervisorEnd> {
  const { vm } = live.run;
  if (stalled !== undefined) return refuse("move-broke-off", { vm, detail: stalled });
  const detail = (await queryMigrate(live))?.["error-desc"];
  return refuse("move-broke-off", { vm, detail: whatBroke(detail) });
}

/** The owner record names the target: what is here never goes on under this name (S15). Harmless when repeated. */
export async function switchOver(host: QemuHost, run: VmRun): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  if (live === undefined) return { kind: "unknown", cause: `${runKey(run)} is not there any more` };
  const isPart = live.phase === "leaving" || live.phase === "handed";
  if (!isPart || live.copying !== undefined) return refuse("move-not-ready", { vm: run.vm });
  if (isFrozen(live)) return { kind: "unknown", cause: `${runKey(run)} is frozen` };
  if (!(await awaitQmp(live, limits.handOverMs)))
    return { kind: "unknown", cause: `QEMU of ${runKey(run)} does not answer` };
  live.migration ??= (await queryMigrate(live))?.status;
  if (live.phase === "leaving" && live.migration !== "pre-switchover") return refuse("move-not-ready", { vm: run.vm });
  setPhase(live, "handed");
  const begun = await executeAll(live, [["migrate-continue", { state: "pre-switchover" }]]);
  if (begun.kind === "late") return { kind: "unknown", cause: `QEMU of ${runKey(run)} does not answer` };
  const status = await awaitMigration(live, over, { limitMs: limits.handOverMs });
  if (status === "completed") {
    if (live.qmp !== undefined) await noteLeft(run, live.qmp);
    return { kind: "done" };
  }
  if (status === "lost" || status === "late")
    return { kind: "unknown", cause: `the hand-over of ${runKey(run)}: ${status}` };
  // A guest that QEMU had stopped by itself goes on by itself at this point.
  await live.qmp?.execute("stop");
  return refuse("move-hand-over-failed", { vm: run.vm });
}

/** The guest goes on here. Harmless when repeated, and where no move is under way. */
export async function cancelOut(host: QemuHost, run: VmRun): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  if (live === undefined) return refuse("vm-not-running", { vm: run.vm });
  if (live.phase === "handed") return refuse("move-handed-over", { vm: run.vm });
  if (live.phase !== "leaving") return { kind: "done" };
  if (isFrozen(live)) return { kind: "unknown", cause: `${runKey(run)} is frozen` };
  live.copying?.giveUp.abort();
  await live.copying?.settled;
  // Typed anew: the attempt may have ended by itself, and let the guest go on.
  return (live.phase as LiveRun["phase"]) === "leaving" ? goBack(host, live) : { kind: "done" };
}

async function goBack(host: QemuHost, live: LiveRun): Promise<HypervisorEnd> {
  const called = await queryToCallOff(live);
  if ("silent" in called)
    return readCgroupEvents(live.cgroup)?.populated === true
      ? { kind: "unknown", cause: `QEMU of ${runKey(live.run)}: ${called.silent}` }
      : refuse("vm-not-running", { vm: live.run.vm });
  const before = called.info.status;
  if (before !== undefined && !over.includes(before)) {
    await live.qmp?.execute("migrate_cancel");
    await awaitMigration(live, over, { limitMs: limits.cancelMs });
  }
  if (!(await dropMirrors(live)) && live.qmp !== undefined)
    return { kind: "unknown", cause: `the copies of the disks of ${runKey(live.run)} do not end` };
  await live.qmp?.execute("object-del", { id: tlsId });
  const stands = await queryStatus(live);
  live.stoppedToMove = false;
  // A connection that nobody answers keeps QEMU from ending the move for minutes; the guest need not stand still for that.
  const isOver = live.migration !== "cancelling" || stands === "paused";
  if (!isOver) return { kind: "unknown", cause: `QEMU of ${runKey(live.run)} does not end the move` };
  if (stands === "paused" || stands === "postmigrate" || stands === "finish-migrate") {
    const end = await executeAll(live, [["cont"]]);
    // QEMU has not come to the end of what was called off: that is no refusal.
    if (end.kind === "failed" && /not finalized/iu.test(end.description))
      return { kind: "unknown", cause: `QEMU of ${runKey(live.run)} does not end the move` };
    if (end.kind !== "done") return moveRefused(live, end);
  } else if (stands === undefined) {
    if (live.qmp === undefined) return refuse("vm-not-running", { vm: live.run.vm });
    return { kind: "unknown", cause: `QEMU of ${runKey(live.run)} does not answer` };
  }
  setPhase(live, "running");
  void takeStatusAfterMove(host, live);
  return { kind: "done" };
}
