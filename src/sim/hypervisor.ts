import { type Refusal, refuse } from "../model/reason.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, StartRequest, VmEvent, VmRun } from "../ports/hypervisor.ts";
import type { Migration } from "../ports/migration.ts";
import { runName, type SimMachine, type SimProcess, simTimes } from "./machine.ts";
import { SimImages } from "./move/images.ts";
import { type MoveMachine, MoveNetwork, type MoveQemu, notMoving } from "./move/qemu.ts";
import { MoveSource } from "./move/source.ts";
import { MoveTarget } from "./move/target.ts";

const startLimitMs = 30_000;

export type SimHypervisorOptions = {
  readonly accel?: "kvm" | "tcg";
  /** What moves go over, and which addresses of it are this machine's. */
  readonly network?: MoveNetwork;
  readonly addresses?: ReadonlySet<string>;
};

/** A driver over a simulated machine; obeys the contract suite of the real one. `close` is an agent's death. */
/** Until the QMP of what a new driver finds has answered it. */
const attachMs = 40;

export function openSimHypervisor(
  machine: SimMachine,
  { accel = "tcg", network = new MoveNetwork(), addresses = new Set() }: SimHypervisorOptions = {},
): Hypervisor & Migration & { close(): void } {
  const listeners: ((event: VmEvent) => void)[] = [];
  let open = true;
  machine.listener = (event) => {
    for (const listener of listeners) listener(event);
  };
  for (const process of machine.processes.values()) machine.reap(process);
  const later = (ms: number, act: () => void) => {
    // What a dead agent had begun has no one left to report to; what the machine does is not undone.
    machine.scheduler.after(ms, () => open && act());
  };
  const driver = { machine, later };
  const found = new Set([...machine.processes.values()].map(({ moving }) => moving));
  let attached = false;
  machine.scheduler.after(attachMs, () => {
    attached = true;
  });
  const moves: MoveMachine = {
    id: [...addresses].join(),
    accel,
    addresses,
    isOpen: () => open,
    find: (run) => {
      const process = machine.processes.get(runName(run));
      return process === undefined ? undefined : moveQemu(machine, process);
    },
    isAttached: ({ moving }) => attached || !found.has(moving),
    spawn: (request, done) => spawnIncoming(driver, request, done),
    kill: (run, done) => kill(driver, run, done),
    after: (ms, act) => machine.scheduler.after(ms, act),
    later,
    tell: (event) => machine.tellMove(event),
    images: new SimImages(),
  };
  const source = new MoveSource(moves, network);
  const target = new MoveTarget(moves, network);
  return {
    accel,
    start: (request, done) => start(driver, request, done),
    stop: (run, graceMs, done) => stop(driver, run, graceMs, done),
    halt: (run, graceMs, done) => halt(driver, run, graceMs, done),
    kill: (run, done) => kill(driver, run, done),
    reset: (run, done) => reset(driver, run, done),
    adopt: (run, as, done) => adopt(driver, run, as, done),
    list: (done) => later(1, () => done(list(machine))),
    listen: (listener) => listeners.push(listener),
    prepareIncoming: (request, done) => target.prepareIncoming(request, done),
    migrateOut: (run, request, done) => source.migrateOut(run, request, done),
    cancelOut: (run, done) => source.cancelOut(run, done),
    switchOver: (run, done) => source.switchOver(run, done),
    completeIncoming: (run, limitMs, done) => target.completeIncoming(run, limitMs, done),
    abandonIncoming: (run, done) => target.abandonIncoming(run, done),
    checkGuest: (run, done) => target.checkGuest(run, done),
    watchMoves: (listener) => {
      machine.moveListener = listener;
      for (const event of machine.unheard.splice(0)) listener(event);
    },
    close: () => {
      open = false;
      machine.listener = undefined;
      machine.moveListener = undefined;
    },
  };
}

type Driver = { readonly machine: SimMachine; readonly later: (ms: number, act: () => void) => void };
type Done = (end: HypervisorEnd) => void;

function start({ machine, later }: Driver, request: StartRequest, done: Done): void {
  const { run, vm } = request;
  const images = vm.spec.disks.map(({ pool, volume }) => `${pool}/${volume}`);
  const refusal = checkStart(machine, run, images);
  if (refusal !== undefined) {
    later(1, () => done(refusal));
    return;
  }
  const process: SimProcess = {
    run,
    vm,
    images,
    state: "starting",
    exit: undefined,
    deferred: [],
    moving: notMoving(),
  };
  machine.processes.set(runName(run), process);
  machine.openImages(process);
  let over = false;
  const finish = (end: HypervisorEnd) => {
    if (!over) done(end);
    over = true;
  };
  later(simTimes.startMs, () => {
    if (!machine.isAlive(process)) finish(refuse("vm-start-failed", { vm: run.vm, detail: "killed" }));
    machine.whenRunning(process, () => {
      process.state = "running";
      finish({ kind: "done" });
      machine.scheduler.after(simTimes.bootMs, () => doThen(machine, process));
    });
  });
  later(startLimitMs, () => {
    if (over) return;
    machine.vanish(process);
    finish(refuse("vm-start-late", { vm: run.vm, seconds: startLimitMs / 1000 }));
  });
}

/** It opens no image, and its guest is not there yet. */
function spawnIncoming(
  { machine, later }: Driver,
  request: StartRequest,
  done: (made: Refusal | MoveQemu) => void,
): void {
  const { run, vm } = request;
  const images = vm.spec.disks.map(({ pool, volume }) => `${pool}/${volume}`);
  const refusal = checkSpawn(machine, run, images);
  if (refusal !== undefined) {
    later(1, () => done(refusal));
    return;
  }
  const moving = { ...notMoving(), part: "incoming" as const, halted: true };
  const process: SimProcess = { run, vm, images, state: "running", exit: undefined, deferred: [], moving };
  machine.processes.set(runName(run), process);
  later(simTimes.startMs, () => {
    if (!machine.isAlive(process)) return done(refuse("vm-start-failed", { vm: run.vm, detail: "killed" }));
    machine.whenRunning(process, () => done(moveQemu(machine, process)));
  });
}

const moveQemus = new WeakMap<SimProcess, MoveQemu>();

function moveQemu(machine: SimMachine, process: SimProcess): MoveQemu {
  const known = moveQemus.get(process);
  if (known !== undefined) return known;
  const made: MoveQemu = {
    get run() {
      return process.run;
    },
    vm: process.vm,
    moving: process.moving,
    isAlive: () => machine.isAlive(process),
    isFrozen: () => machine.isFrozen(process.run.incarnation),
    isUp: () => process.state === "running",
    hasWritesUnderWay: () => false,
    openImages: () => machine.openImages(process),
    closeImages: () => machine.closeImages(process),
    // Its machines have one storage: no disk goes along.
    imagesOf: () => [],
    end: () => machine.killProcess(process.run),
  };
  moveQemus.set(process, made);
  return made;
}

function checkStart(machine: SimMachine, run: VmRun, images: readonly string[]): Refusal | undefined {
  const refusal = checkSpawn(machine, run, images);
  if (refusal !== undefined) return refusal;
  const locked = images.some((image) => machine.disks.locks.has(image));
  return locked ? refuse("vm-image-locked", { vm: run.vm, detail: "locked" }) : undefined;
}

function checkSpawn(machine: SimMachine, run: VmRun, images: readonly string[]): Refusal | undefined {
  if (machine.processes.has(runName(run))) return refuse("vm-run-exists", { vm: run.vm, epoch: run.epoch });
  if (!machine.hasIncarnation(run.incarnation))
    return refuse("incarnation-gone", { vm: run.vm, incarnation: run.incarnation });
  const missing = images.find((image) => !machine.disks.images.has(image));
  return missing === undefined ? undefined : refuse("vm-image-missing", { vm: run.vm, path: missing });
}

/** The tiny guest's `holdfast.then=`: what it does by itself once it is up. */
function doThen(machine: SimMachine, process: SimProcess): void {
  const then = /holdfast\.then=(\w+)/u.exec(process.vm.spec.kernel?.append ?? "")?.[1];
  if (then === undefined || !machine.isAlive(process)) return;
  if (then === "poweroff") machine.guestDown(process.run, "guest-shutdown");
  if (then === "panic") machine.guestDown(process.run, "panicked");
  if (then === "reboot") machine.guestReboot(process.run);
}

function stop({ machine, later }: Driver, run: VmRun, graceMs: number, done: Done): void {
  const process = machine.processes.get(runName(run));
  if (process === undefined) {
    later(1, () => done({ kind: "done" }));
    return;
  }
  // A guest takes its time to go down; one that stands still uses up the grace.
  const waitMs = machine.isFrozen(run.incarnation) ? graceMs : Math.min(graceMs, simTimes.bootMs);
  later(waitMs + simTimes.endMs, () => {
    if (machine.isAlive(process)) machine.vanish(process);
    done({ kind: "done" });
  });
}

function halt({ machine, later }: Driver, run: VmRun, graceMs: number, done: Done): void {
  const process = machine.processes.get(runName(run));
  if (process === undefined || machine.isFrozen(run.incarnation)) {
    later(1, () => done(refuse("vm-unresponsive", { vm: run.vm })));
    return;
  }
  later(Math.min(graceMs, simTimes.bootMs) + 1, () => {
    // Told by the next driver that finds it.
    process.state = "guest-down";
    process.exit = "guest-shutdown";
    done(machine.isAlive(process) ? { kind: "done" } : refuse("vm-unresponsive", { vm: run.vm }));
  });
}

function kill({ machine, later }: Driver, run: VmRun, done: Done): void {
  const process = machine.processes.get(runName(run));
  if (process !== undefined) machine.vanish(process);
  later(simTimes.endMs, () => done({ kind: "done" }));
}

function reset({ machine, later }: Driver, run: VmRun, done: Done): void {
  const process = machine.processes.get(runName(run));
  later(1, () => done(process === undefined ? refuse("vm-not-running", { vm: run.vm }) : { kind: "done" }));
}

function adopt({ machine, later }: Driver, run: VmRun, as: VmRun, done: Done): void {
  const process = machine.processes.get(runName(run));
  const { part } = process?.moving ?? notMoving();
  if (process === undefined || part === "incoming") later(1, () => done(refuse("vm-not-running", { vm: run.vm })));
  else if (!machine.hasIncarnation(as.incarnation))
    later(1, () => done(refuse("incarnation-gone", { vm: as.vm, incarnation: as.incarnation })));
  else {
    machine.rename(process, as);
    if (part !== undefined && part !== "arriving") process.moving.part = "leaving";
    later(simTimes.endMs, () => done({ kind: "done" }));
  }
}

function list(machine: SimMachine): readonly RunningVm[] {
  return [...machine.processes.values()].map((process) => {
    const { run, moving } = process;
    const move = moving.part === undefined ? {} : { move: moving.part };
    if (machine.isFrozen(run.incarnation)) return { run, state: "frozen", adopted: true, ...move };
    const state = process.state === "running" && !moving.halted ? "running" : "paused";
    return { run, state, adopted: true, ...move };
  });
}
