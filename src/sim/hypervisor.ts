import { type Refusal, refuse } from "../model/reason.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, StartRequest, VmEvent, VmRun } from "../ports/hypervisor.ts";
import { runName, type SimMachine, type SimProcess, simTimes } from "./machine.ts";

const startLimitMs = 30_000;

/** A driver over a simulated machine; obeys the contract suite of the real one. `close` is an agent's death. */
export function openSimHypervisor(machine: SimMachine, accel: "kvm" | "tcg" = "tcg"): Hypervisor & { close(): void } {
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
  return {
    accel,
    start: (request, done) => start(driver, request, done),
    stop: (run, graceMs, done) => stop(driver, run, graceMs, done),
    kill: (run, done) => kill(driver, run, done),
    reset: (run, done) => reset(driver, run, done),
    adopt: (run, as, done) => adopt(driver, run, as, done),
    list: (done) => later(1, () => done(list(machine))),
    listen: (listener) => listeners.push(listener),
    close: () => {
      open = false;
      machine.listener = undefined;
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
  const process: SimProcess = { run, vm, images, state: "starting", exit: undefined, deferred: [] };
  machine.processes.set(runName(run), process);
  for (const image of images) machine.disks.locks.set(image, runName(run));
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

function checkStart(machine: SimMachine, run: VmRun, images: readonly string[]): Refusal | undefined {
  if (machine.processes.has(runName(run))) return refuse("vm-run-exists", { vm: run.vm, epoch: run.epoch });
  if (!machine.hasIncarnation(run.incarnation))
    return refuse("incarnation-gone", { vm: run.vm, incarnation: run.incarnation });
  const missing = images.find((image) => !machine.disks.images.has(image));
  if (missing !== undefined) return refuse("vm-image-missing", { vm: run.vm, path: missing });
  const locked = images.some((image) => machine.disks.locks.has(image));
  return locked ? refuse("vm-image-locked", { vm: run.vm, detail: "locked" }) : undefined;
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
  if (process === undefined) later(1, () => done(refuse("vm-not-running", { vm: run.vm })));
  else if (!machine.hasIncarnation(as.incarnation))
    later(1, () => done(refuse("incarnation-gone", { vm: as.vm, incarnation: as.incarnation })));
  else {
    machine.rename(process, as);
    later(simTimes.endMs, () => done({ kind: "done" }));
  }
}

function list(machine: SimMachine): readonly RunningVm[] {
  return [...machine.processes.values()].map((process) => {
    if (machine.isFrozen(process.run.incarnation)) return { run: process.run, state: "frozen", adopted: true };
    const state = process.state === "running" ? "running" : "paused";
    return { run: process.run, state, adopted: true };
  });
}
