import { must } from "../base/assert.ts";
import type { Incarnation } from "../model/ids.ts";
import type { Vm, VmExit } from "../model/records.ts";
import type { VmEvent, VmRun } from "../ports/hypervisor.ts";
import type { MoveEvent } from "../ports/migration.ts";
import type { Moving } from "./move/qemu.ts";

/** Virtual time: calls `run` once, `ms` later. */
export type Scheduler = { after(ms: number, run: () => void): void };

/** Which process holds the lock of which image; shared by all machines that see the same storage. */
export type SimDisks = { readonly images: Set<string>; readonly locks: Map<string, SimProcess> };

/** One QEMU process, as it really is. */
export type SimProcess = {
  run: VmRun;
  readonly vm: Vm;
  readonly images: readonly string[];
  state: "starting" | "running" | "paused" | "guest-down";
  /** Why the guest is down; told when a driver looks. */
  exit: VmExit | undefined;
  /** What would have happened while it stood still, in order. */
  deferred: (() => void)[];
  readonly moving: Moving;
};

export type SimTimes = { readonly startMs: number; readonly bootMs: number; readonly endMs: number };
export const simTimes: SimTimes = { startMs: 100, bootMs: 2_000, endMs: 20 };

export function runName(run: VmRun): string {
  return `${run.incarnation}/${run.vm}.${run.epoch}`;
}

/**
 * A host's kernel, cgroups and QEMUs under virtual time: the truth that a simulated driver reports and that checkers
 * read. Lives on while drivers come and go; `powerOff` is the end of all of it.
 */
export class SimMachine {
  readonly processes = new Map<string, SimProcess>();
  readonly scheduler: Scheduler;
  readonly disks: SimDisks;
  /** The driver that is open now; it hears what happens. */
  listener: ((event: VmEvent) => void) | undefined;
  /** What was told of moves while nobody listened. */
  readonly unheard: MoveEvent[] = [];
  moveListener: ((event: MoveEvent) => void) | undefined;
  readonly #incarnations = new Map<Incarnation, { frozen: boolean }>();

  constructor(scheduler: Scheduler, disks: SimDisks) {
    this.scheduler = scheduler;
    this.disks = disks;
  }

  openIncarnation(n: Incarnation): void {
    if (!this.#incarnations.has(n)) this.#incarnations.set(n, { frozen: false });
  }

  removeIncarnation(n: Incarnation): void {
    this.#incarnations.delete(n);
  }

  hasIncarnation(n: Incarnation): boolean {
    return this.#incarnations.has(n);
  }

  isFrozen(n: Incarnation): boolean {
    return this.#incarnations.get(n)?.frozen === true;
  }

  setFrozen(n: Incarnation, frozen: boolean): void {
    must(this.#incarnations.get(n), () => `Cannot freeze incarnation ${n}: it does not exist`).frozen = frozen;
    if (frozen) return;
    for (const process of this.processes.values()) if (process.run.incarnation === n) this.runDeferred(process);
  }

  powerOff(): void {
    for (const process of [...this.processes.values()]) this.vanish(process);
    this.#incarnations.clear();
    this.listener = undefined;
  }

  /** Now, or as soon as the process may run again; never once it is gone. */
  whenRunning(process: SimProcess, act: () => void): void {
    if (!this.isAlive(process)) return;
    if (this.isFrozen(process.run.incarnation)) process.deferred.push(act);
    else act();
  }

  runDeferred(process: SimProcess): void {
    for (const act of process.deferred.splice(0)) this.whenRunning(process, act);
  }

  isAlive(process: SimProcess): boolean {
    return this.processes.get(runName(process.run)) === process;
  }

  /** Moves it to another incarnation and epoch; where that one is not frozen it goes on. */
  rename(process: SimProcess, as: VmRun): void {
    this.processes.delete(runName(process.run));
    process.run = as;
    this.processes.set(runName(as), process);
    this.runDeferred(process);
  }

  /** False: another process has one of its images open; then it opens none. */
  openImages(process: SimProcess): boolean {
    const { locks } = this.disks;
    const isFree = process.images.every((image) => (locks.get(image) ?? process) === process);
    if (isFree) for (const image of process.images) locks.set(image, process);
    return isFree;
  }

  closeImages(process: SimProcess): void {
    for (const image of process.images) if (this.disks.locks.get(image) === process) this.disks.locks.delete(image);
  }

  tellMove(event: MoveEvent): void {
    if (this.moveListener === undefined) this.unheard.push(event);
    else this.moveListener(event);
  }

  /** SIGKILL: works on a frozen one too, and frees its locks at once. */
  vanish(process: SimProcess): void {
    this.processes.delete(runName(process.run));
    this.closeImages(process);
  }

  /** Somebody kills the process from outside. */
  killProcess(run: VmRun): void {
    this.#endByItself(run, "killed");
  }

  /** SIGTERM or `quit` from somebody else. */
  quitProcess(run: VmRun): void {
    const process = this.#process(run);
    this.whenRunning(process, () => this.#endByItself(run, "host-quit"));
  }

  /** The guest ends itself: its QEMU stays, stopped, until a driver has seen it. */
  guestDown(run: VmRun, exit: "guest-shutdown" | "panicked"): void {
    const process = this.#process(run);
    this.whenRunning(process, () => {
      process.state = "guest-down";
      process.exit = exit;
      this.reap(process);
    });
  }

  guestReboot(run: VmRun): void {
    this.whenRunning(this.#process(run), () => this.listener?.({ kind: "guest-rebooted", run }));
  }

  /** Its disk fails: the guest stands still until somebody resumes it. */
  storageError(run: VmRun): void {
    const process = this.#process(run);
    this.whenRunning(process, () => {
      process.state = "paused";
      this.listener?.({ kind: "paused", run, by: "storage-error" });
    });
  }

  /** A driver that is there ends the QEMU of a guest that is down, and tells. */
  reap(process: SimProcess): void {
    const { exit } = process;
    if (exit === undefined || this.listener === undefined || !this.isAlive(process)) return;
    this.scheduler.after(simTimes.endMs, () => {
      if (!this.isAlive(process)) return;
      this.vanish(process);
      this.listener?.({ kind: "exited", run: process.run, exit, detail: null });
    });
  }

  /** A copy that has handed its guest over is no news; one that never executed is no end of the VM. */
  #endByItself(run: VmRun, exit: VmExit): void {
    const process = this.#process(run);
    const { part } = process.moving;
    this.vanish(process);
    this.scheduler.after(simTimes.endMs, () => {
      if (part === "incoming") this.tellMove({ kind: "incoming-lost", run, detail: "" });
      else if (part !== "handed") this.listener?.({ kind: "exited", run, exit, detail: null });
    });
  }

  #process(run: VmRun): SimProcess {
    return must(this.processes.get(runName(run)), () => `Cannot act on ${runName(run)}: it does not run`);
  }
}
