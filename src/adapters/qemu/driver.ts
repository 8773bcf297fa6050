import { setTimeout as sleep } from "node:timers/promises";
import { refuse } from "../../model/reason.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, VmEvent, VmRun } from "../../ports/hypervisor.ts";
import type { IncomingEnd, Migration, MoveEvent } from "../../ports/migration.ts";
import { readCgroupEvents, removeCgroup } from "../linux/cgroup.ts";
import { adoptRun } from "./adopt.ts";
import { checkGuest } from "./guest-health.ts";
import {
  type LiveRun,
  movePart,
  newLiveRun,
  type QemuHost,
  type QemuOptions,
  runCgroup,
  runKey,
  runsWithCgroup,
} from "./host.ts";
import { abandonIncoming, completeIncoming, prepareIncoming } from "./move-in.ts";
import { cancelOut, migrateOut, switchOver } from "./move-out.ts";
import type { Qmp } from "./qmp.ts";
import { readRunRecords, setPhase } from "./run-folder.ts";
import { startRun } from "./start.ts";
import { clearAway, follow, queryStatus, quit } from "./watch.ts";

export type { QemuOptions } from "./host.ts";

/** `close` lets go of everything and touches no VM: the next driver takes them up again. */
export interface QemuHypervisor extends Hypervisor, Migration {
  /**
   * Of the run, or of the one that it became by an adoption (S11); undefined: its QEMU is not here, or does not answer.
   */
  qmpOf(run: VmRun): Qmp | undefined;
  /** Of the same run: its QEMU is here, whether or not it answers. */
  isHere(run: VmRun): boolean;
  close(): void;
}

const limits = {
  listMs: 300,
  attachPollMs: 10,
  /** A guest that still boots does not hear the first press of the button; one that goes down ignores the next. */
  pressEveryMs: 3_000,
} as const;

/**
 * The driver of this host's QEMUs. Takes up at once what an earlier agent left running; what ended meanwhile is told as
 * an event once somebody listens.
 */
export function openQemuHypervisor(options: QemuOptions): QemuHypervisor {
  const vms = tellLater<VmEvent>();
  const moves = tellLater<MoveEvent>();
  const host: QemuHost = {
    options,
    runs: new Map(),
    closed: false,
    emit: vms.emit,
    emitMove: moves.emit,
  };
  takeUpRuns(host);
  return {
    accel: options.accel,
    start: (request, done) => answer(startRun(host, request), done),
    stop: (run, graceMs, done) => answer(stopRun(host, run, graceMs), done),
    halt: (run, graceMs, done) => answer(haltRun(host, run, graceMs), done),
    kill: (run, done) => answer(killRun(host, run), done),
    reset: (run, done) => answer(resetRun(host, run), done),
    adopt: (run, as, done) => answer(adoptRun(host, run, as), done),
    list: (done) => void listRuns(host).then(done),
    listen: vms.listen,
    prepareIncoming: (request, done) => answer<IncomingEnd>(prepareIncoming(host, request), done),
    migrateOut: (run, request, done) => answer(migrateOut(host, run, request), done),
    cancelOut: (run, done) => answer(cancelOut(host, run), done),
    switchOver: (run, done) => answer(switchOver(host, run), done),
    completeIncoming: (run, limitMs, done) => answer(completeIncoming(host, run, limitMs), done),
    abandonIncoming: (run, done) => answer(abandonIncoming(host, run), done),
    checkGuest: (run, done) => void checkGuest(host.runs.get(runKey(run))).then(done),
    watchMoves: moves.listen,
    qmpOf: (run) => presentRun(host, run)?.qmp,
    isHere: (run) => {
      const live = presentRun(host, run);
      return live !== undefined && live.exit === undefined;
    },
    close: () => close(host),
  };
}

function presentRun(host: QemuHost, run: VmRun): LiveRun | undefined {
  return host.runs.get(runKey(run)) ?? adoptedFrom(host, run);
}

/** By a host that came back (S11), or by one that its target gave the VM back to (S15). */
function adoptedFrom(host: QemuHost, { vm, incarnation, epoch }: VmRun): LiveRun | undefined {
  return [...host.runs.values()].find(({ run, phase }) => {
    const isLater = run.incarnation > incarnation || (run.incarnation === incarnation && run.epoch > epoch);
    return run.vm === vm && isLater && phase !== "incoming" && phase !== "starting";
  });
}

/** What happens before anybody listens is kept for the first who does. */
function tellLater<Event>() {
  const listeners: ((event: Event) => void)[] = [];
  const unheard: Event[] = [];
  return {
    emit: (event: Event): void => {
      if (listeners.length === 0) unheard.push(event);
      for (const listener of listeners) listener(event);
    },
    listen: (listener: (event: Event) => void): void => {
      listeners.push(listener);
      for (const event of unheard.splice(0)) listener(event);
    },
  };
}

type Unknown = { readonly kind: "unknown"; readonly cause: string };

/** What a system call refused to do in mid-work leaves the outcome open: `list` tells. */
function answer<End = HypervisorEnd>(work: Promise<End | Unknown>, done: (end: End | Unknown) => void): void {
  void work.catch((error: unknown): Unknown => ({ kind: "unknown", cause: String(error) })).then((end) => done(end));
}

function takeUpRuns(host: QemuHost): void {
  const records = readRunRecords(host.options.runDir);
  const alive = runsWithCgroup(host.options).filter(
    (run) => readCgroupEvents(runCgroup(host.options, run))?.populated === true,
  );
  const recordOf = (run: VmRun) => records.find(({ vm, epoch }) => vm === run.vm && epoch === run.epoch);
  for (const run of alive) {
    const record = recordOf(run);
    // One that executes was at least started, whatever its agent had come to note.
    const phase = record === undefined || record.phase === "starting" ? "running" : record.phase;
    void follow(host, newLiveRun(host, run, record?.taps ?? [], phase));
  }
  // An adoption that was interrupted has moved the folder already and not yet the processes: its run lives.
  const inAdoption = new Set(alive.filter((run) => recordOf(run) === undefined).map(({ vm }) => vm));
  for (const record of records) {
    const { vm, incarnation, epoch, taps, phase } = record;
    if (inAdoption.has(vm) || alive.some((run) => recordOf(run) === record)) continue;
    void follow(host, newLiveRun(host, { vm, incarnation, epoch }, taps, phase));
  }
}

async function stopRun(host: QemuHost, run: VmRun, graceMs: number): Promise<HypervisorEnd> {
  const live = known(host, run);
  live.ending = true;
  if (live.qmp !== undefined && live.exit === undefined && graceMs > 0) await powerDown(live, graceMs);
  await quit(live);
  return ended(host, live);
}

async function haltRun(host: QemuHost, run: VmRun, graceMs: number): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  const isDown = live?.exit !== undefined;
  if (live?.qmp === undefined || (isDown && live.phase !== "halted")) return refuse("vm-unresponsive", { vm: run.vm });
  if (live.phase !== "running" && live.phase !== "halted") return refuse("move-under-way", { vm: run.vm });
  live.ending = true;
  if (graceMs > 0 && !isDown) await powerDown(live, graceMs);
  // Only now: an agent that begins in the midst of its grace lets it shut down, and asks anew.
  setPhase(live, "halted");
  await live.qmp?.execute("stop");
  const status = await queryStatus(live);
  if (status === undefined || status === "running")
    return { kind: "unknown", cause: `its guest is ${status ?? "silent"}` };
  return { kind: "done" };
}

/** The guest may do what it likes with the request: the limit is what counts. */
async function powerDown(live: LiveRun, graceMs: number): Promise<void> {
  const giveUp = new AbortController();
  const down = new Promise<void>((resolve) => {
    live.onGuestDown = resolve;
    live.abort.signal.addEventListener("abort", () => resolve());
  });
  const press = () => void live.qmp?.execute("system_powerdown");
  press();
  const again = setInterval(press, limits.pressEveryMs);
  await Promise.race([down, sleep(graceMs, undefined, { signal: giveUp.signal }).catch(() => undefined)]);
  giveUp.abort();
  clearInterval(again);
}

async function killRun(host: QemuHost, run: VmRun): Promise<HypervisorEnd> {
  const live = known(host, run);
  live.ending = true;
  return ended(host, live);
}

async function ended(host: QemuHost, live: LiveRun): Promise<HypervisorEnd> {
  if (await clearAway(host, live)) return { kind: "done" };
  return { kind: "unknown", cause: `the cgroup of ${runKey(live.run)} did not become empty` };
}

async function resetRun(host: QemuHost, run: VmRun): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  if (live === undefined) return refuse("vm-not-running", { vm: run.vm });
  const end = await live.qmp?.execute("system_reset");
  if (end === undefined) return refuse("vm-unresponsive", { vm: run.vm });
  if (end.kind === "failed") return refuse("vm-reset-failed", { vm: run.vm, detail: end.description });
  return end.kind === "done" ? { kind: "done" } : { kind: "unknown", cause: `QEMU's answer to the reset: ${end.kind}` };
}

/** Also a run that only the file system knows of is ended the same way. */
function known(host: QemuHost, run: VmRun): LiveRun {
  const live = host.runs.get(runKey(run));
  if (live !== undefined) return live;
  const record = readRunRecords(host.options.runDir).find(({ vm, epoch }) => vm === run.vm && epoch === run.epoch);
  return newLiveRun(host, run, record?.taps ?? [], record?.phase ?? "running");
}

async function listRuns(host: QemuHost): Promise<readonly RunningVm[]> {
  const found = runsWithCgroup(host.options).map(async (run): Promise<RunningVm[]> => {
    const live = host.runs.get(runKey(run));
    const folder = runCgroup(host.options, run);
    const events = readCgroupEvents(folder);
    if (events?.populated !== true) {
      if (live === undefined) removeCgroup(folder);
      return [];
    }
    // A frozen one cannot answer: nobody waits for it.
    const state = events.frozen ? "frozen" : await answeredState(live);
    return [{ run, state, adopted: live?.qmp !== undefined, ...movePart(live) }];
  });
  return (await Promise.all(found)).flat();
}

async function answeredState(live: LiveRun | undefined): Promise<"running" | "paused" | "unresponsive"> {
  // Right after the driver was opened its connections are still on their way.
  for (let waited = 0; live?.qmp === undefined && waited < limits.listMs; waited += limits.attachPollMs)
    await sleep(limits.attachPollMs);
  const status = live === undefined ? undefined : await queryStatus(live, limits.listMs);
  if (status === undefined) return "unresponsive";
  return status === "running" ? "running" : "paused";
}

function close(host: QemuHost): void {
  host.closed = true;
  for (const live of host.runs.values()) {
    live.abort.abort();
    live.copying?.giveUp.abort();
    live.closeDoors();
    live.qmp?.close();
  }
}
