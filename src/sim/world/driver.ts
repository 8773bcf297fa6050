import { type Refusal, refuse } from "../../model/reason.ts";
import type { VmExit } from "../../model/records.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, StartRequest, VmEvent, VmRun } from "../../ports/hypervisor.ts";
import type {
  GuestHealth,
  IncomingEnd,
  IncomingRequest,
  Migration,
  MoveEvent,
  OutgoingRequest,
} from "../../ports/migration.ts";
import type { MoveNetwork } from "../move/qemu.ts";
import { folderName, runKey } from "./copy.ts";
import { DriverMoves } from "./driver-moves.ts";
import type { Copy, RunRecord, SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { Qemus } from "./qemus.ts";

type Done = (end: HypervisorEnd) => void;

/** As the real driver's own limits. */
const startLimitMs = 30_000;
const killLimitMs = 10_000;

/** The hypervisor port of one daemon's life, over what really runs on its host. It ends with the daemon; QEMUs do not. */
export class Driver implements Hypervisor, Migration {
  readonly accel: "kvm" | "tcg";
  readonly #host: SimHost;
  readonly #openedAt: number;
  readonly #life: Life;
  readonly #qemus: Qemus;
  #listener: ((event: VmEvent) => void) | undefined;
  /** Runs that an operation of this driver is ending: their end is no news. */
  readonly #ending = new Set<string>();
  readonly #starting = new Set<string>();
  readonly #moves: DriverMoves;

  constructor(host: SimHost, life: Life, qemus: Qemus, network: MoveNetwork) {
    this.#host = host;
    this.accel = host.accel;
    this.#openedAt = host.scheduler.now;
    this.#life = life;
    this.#qemus = qemus;
    const spawn = (request: StartRequest, done: (made: Refusal | Copy) => void) => this.#spawnIncoming(request, done);
    this.#moves = new DriverMoves(
      { host, life, qemus, spawn, kill: (run, done) => this.kill(run, done), isMine: () => host.driver === this },
      network,
    );
    host.driver = this;
    life.after(5, () => {
      for (const [key, record] of [...host.records]) {
        // An earlier driver's start that never came to a process.
        if (!host.copies.has(key) && !this.#starting.has(key)) record.exit ??= "start-failed";
        if (record.exit !== undefined) this.tellExit(record);
      }
      // Whoever halted it is gone, and it must not go on.
      for (const copy of host.copies.values()) if (copy.isHalted) qemus.kill(copy, "guest-shutdown", "driver");
    });
  }

  listen(listener: (event: VmEvent) => void): void {
    this.#listener = listener;
  }

  tell(event: VmEvent): void {
    this.#life.post(() => this.#listener?.(event));
  }

  /** A run ended by itself: clears away, then tells. */
  tellExit(record: RunRecord): void {
    const key = runKey(record.run);
    this.#life.after(this.#qemus.drawMs(10, 50), () => {
      if (record.told || this.#ending.has(key) || this.#starting.has(key)) return;
      record.told = true;
      this.#host.records.delete(key);
      // A copy that has handed its guest over is no news.
      if (record.part === "handed") return;
      if (record.part === "incoming") {
        this.#moves.tell({ kind: "incoming-lost", run: record.run, detail: "" });
        return;
      }
      const exit: VmExit = record.exit ?? "killed";
      this.#listener?.({ kind: "exited", run: record.run, exit, detail: null });
    });
  }

  start(request: StartRequest, done: Done): void {
    if (!this.#begin(request.run, done)) return;
    const spawnMs =
      this.#qemus.drawMs(5, 60) + (this.#host.trouble.startsSlow > 0 ? this.#qemus.drawMs(500, 8_000) : 0);
    this.#life.after(spawnMs, () => this.#spawn(request, done));
  }

  /** Its folder and its record; false: refused. */
  #begin(run: VmRun, done: (refused: Refusal) => void): boolean {
    const key = runKey(run);
    const host = this.#host;
    const exists = host.copies.has(key) || host.records.has(key);
    if (exists || !host.tree.folders.has(run.incarnation)) {
      const code = exists ? "vm-run-exists" : "incarnation-gone";
      this.#life.after(2, () => done(refuse(code, { vm: run.vm, epoch: run.epoch })));
      return false;
    }
    host.records.set(key, { run, exit: undefined, told: false });
    this.#starting.add(key);
    return true;
  }

  #spawnIncoming(request: StartRequest, done: (made: Refusal | Copy) => void): void {
    if (!this.#begin(request.run, done)) return;
    this.#life.after(this.#upMs(), () => {
      const end = this.#qemus.spawnIncoming(this.#host, request);
      if (end.kind === "refused") this.#forget(request.run);
      else this.#starting.delete(runKey(request.run));
      if (end.kind === "refused") done(end);
      else this.#awaitAnswer(end.copy, this.#host.scheduler.now + startLimitMs, done);
    });
  }

  #awaitAnswer(copy: Copy, until: number, done: (made: Refusal | Copy) => void): void {
    const { vm } = copy.run;
    if (!copy.alive) done(refuse("vm-start-failed", { vm }));
    else if (this.#isAttached(copy)) done(copy);
    else if (this.#host.scheduler.now < until) this.#life.after(50, () => this.#awaitAnswer(copy, until, done));
    else this.#end(copy.run, () => done(refuse("vm-start-late", { vm, seconds: startLimitMs / 1000 })));
  }

  #isAttached(copy: Copy): boolean {
    return this.#host.answers(copy, this.#openedAt);
  }

  /** From exec until it answers. */
  #upMs(): number {
    return this.accel === "kvm" ? this.#qemus.drawMs(30, 200) : this.#qemus.drawMs(50, 600);
  }

  #spawn(request: StartRequest, done: Done): void {
    const { run } = request;
    const end = this.#qemus.spawn(this.#host, request);
    if (end.kind === "refused") {
      this.#forget(run);
      this.#life.after(this.#qemus.drawMs(20, 200), () => done(end));
      return;
    }
    const until = this.#host.scheduler.now + startLimitMs;
    this.#life.after(this.#upMs(), () => this.#awaitRunning(end.copy, until, done));
  }

  #awaitRunning(copy: Copy, until: number, done: Done): void {
    const record = this.#host.records.get(runKey(copy.run));
    // A guest that has ended by itself has executed; its end is told after its start's.
    if (!copy.alive && (record?.exit === "guest-shutdown" || record?.exit === "panicked")) {
      this.#starting.delete(runKey(copy.run));
      done({ kind: "done" });
      this.tellExit(record);
    } else if (!copy.alive) {
      this.#forget(copy.run);
      done(refuse("vm-start-failed", { vm: copy.run.vm }));
    } else if (this.#isAttached(copy) && (this.#host.executes(copy) || copy.paused)) {
      this.#starting.delete(runKey(copy.run));
      done({ kind: "done" });
    } else if (this.#host.scheduler.now < until) {
      this.#life.after(50, () => this.#awaitRunning(copy, until, done));
    } else {
      const late = refuse("vm-start-late", { vm: copy.run.vm, seconds: startLimitMs / 1000 });
      this.#end(copy.run, (end) => done(end.kind === "done" ? late : end));
    }
  }

  #forget(run: VmRun): void {
    this.#starting.delete(runKey(run));
    this.#host.records.delete(runKey(run));
  }

  stop(run: VmRun, graceMs: number, done: Done): void {
    const copy = this.#host.copies.get(runKey(run));
    this.#ending.add(runKey(run));
    if (copy === undefined) {
      this.#end(run, done);
      return;
    }
    // A guest goes down in its own time, or never; one that stands still uses up the grace.
    const hears = this.#host.executes(copy) && this.#qemus.chance(0.8);
    const goesDownMs = hears ? Math.min(graceMs, this.#qemus.drawMs(100, 2_000)) : graceMs;
    // Without its monitor nobody can tell the guest: it is ended as it is.
    this.#life.after(this.#isAttached(copy) ? goesDownMs : 0, () => this.#end(run, done));
  }

  halt(run: VmRun, graceMs: number, done: Done): void {
    const copy = this.#host.copies.get(runKey(run));
    if (copy === undefined || !this.#isAttached(copy) || !this.#host.executes(copy)) {
      this.#life.after(2, () => done(refuse("vm-unresponsive", { vm: run.vm })));
      return;
    }
    const goesDownMs = this.#qemus.chance(0.8) ? Math.min(graceMs, this.#qemus.drawMs(100, 2_000)) : graceMs;
    this.#life.after(goesDownMs + 2, () => {
      const isSilent = copy.hangs > 0 || this.#host.isFrozen(copy.run);
      if (!copy.alive || isSilent) return done({ kind: "unknown", cause: "it does not answer" });
      copy.isHalted = true;
      copy.moving.halted = true;
      done({ kind: "done" });
    });
  }

  kill(run: VmRun, done: Done): void {
    this.#end(run, done);
  }

  /** Done once nothing of it is left; unknown where it does not die. */
  #end(run: VmRun, done: Done): void {
    const key = runKey(run);
    this.#ending.add(key);
    const until = this.#host.scheduler.now + killLimitMs;
    const copy = this.#host.copies.get(key);
    if (copy !== undefined) this.#qemus.kill(copy, "killed", "driver");
    const look = (): void => {
      if (copy?.alive === true && this.#host.scheduler.now < until) {
        this.#life.after(20, look);
        return;
      }
      if (copy?.alive === true) {
        this.#ending.delete(key);
        done({ kind: "unknown", cause: `the cgroup of ${key} did not become empty` });
        return;
      }
      this.#forget(run);
      done({ kind: "done" });
    };
    this.#life.after(this.#qemus.drawMs(8, 40), look);
  }

  reset(run: VmRun, done: Done): void {
    this.#life.after(this.#qemus.drawMs(1, 10), () => {
      const copy = this.#host.copies.get(runKey(run));
      if (copy === undefined) done(refuse("vm-not-running", { vm: run.vm }));
      else if (!this.#host.executes(copy) || !this.#isAttached(copy)) done(refuse("vm-unresponsive", { vm: run.vm }));
      else done({ kind: "done" });
    });
  }

  adopt(run: VmRun, as: VmRun, done: Done): void {
    this.#life.after(this.#qemus.drawMs(2, 20), () => {
      const { copies, tree, records } = this.#host;
      const copy = copies.get(runKey(run)) ?? copies.get(runKey(as));
      if (copy === undefined || copy.moving.part === "incoming") return done(refuse("vm-not-running", { vm: run.vm }));
      const folder = tree.folders.get(as.incarnation);
      if (folder === undefined) return done(refuse("incarnation-gone", { vm: as.vm, incarnation: as.incarnation }));
      if (copy.run !== as) {
        tree.folders.get(copy.run.incarnation)?.runs.delete(folderName(copy.run));
        copies.delete(runKey(copy.run));
        records.delete(runKey(copy.run));
        this.#qemus.adopted(copy, as);
        if (copy.moving.part !== undefined && copy.moving.part !== "arriving") copy.moving.part = "leaving";
        copies.set(runKey(as), copy);
        records.set(runKey(as), { run: as, exit: undefined, told: false });
        folder.runs.add(folderName(as));
      }
      done({ kind: "done" });
    });
  }

  list(done: (runs: readonly RunningVm[]) => void): void {
    // On a busy host, looking takes its time like starting does.
    const ms = this.#qemus.drawMs(2, 20) + (this.#host.trouble.startsSlow > 0 ? this.#qemus.drawMs(200, 4_000) : 0);
    this.#life.after(ms, () => {
      const runs: RunningVm[] = [];
      for (const copy of this.#host.copies.values()) runs.push(this.#seen(copy));
      done(runs);
    });
  }

  #seen(copy: Copy): RunningVm {
    const { run, moving } = copy;
    const move = moving.part === undefined ? {} : { move: moving.part };
    const isSilent = !this.#isAttached(copy) && !this.#host.isFrozen(run);
    if (isSilent) return { run, state: "unresponsive", adopted: false, ...move };
    if (this.#host.executes(copy)) return { run, state: "running", adopted: true, ...move };
    const stands = copy.paused || (moving.halted && !this.#host.isFrozen(run));
    return { run, state: stands ? "paused" : "frozen", adopted: true, ...move };
  }

  prepareIncoming(request: IncomingRequest, done: (end: IncomingEnd) => void): void {
    this.#moves.target.prepareIncoming(request, done);
  }

  migrateOut(run: VmRun, request: OutgoingRequest, done: Done): void {
    this.#moves.source.migrateOut(run, request, done);
  }

  cancelOut(run: VmRun, done: Done): void {
    this.#moves.source.cancelOut(run, done);
  }

  switchOver(run: VmRun, done: Done): void {
    this.#moves.source.switchOver(run, done);
  }

  completeIncoming(run: VmRun, limitMs: number, done: Done): void {
    this.#moves.target.completeIncoming(run, limitMs, done);
  }

  abandonIncoming(run: VmRun, done: Done): void {
    this.#moves.target.abandonIncoming(run, done);
  }

  checkGuest(run: VmRun, done: (health: GuestHealth) => void): void {
    this.#moves.target.checkGuest(run, done);
  }

  watchMoves(listener: (event: MoveEvent) => void): void {
    this.#moves.watch(listener);
  }
}
