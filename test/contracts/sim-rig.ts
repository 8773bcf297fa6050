import type { PoolId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { type Vm, vmDefaults } from "../../src/model/records.ts";
import type { VmEvent } from "../../src/ports/hypervisor.ts";
import type { MoveEvent } from "../../src/ports/migration.ts";
import { openSimHypervisor, type SimHypervisorOptions } from "../../src/sim/hypervisor.ts";
import { runName, type Scheduler, type SimDisks, SimMachine } from "../../src/sim/machine.ts";
import type { MoveHost } from "./migration-calls.ts";

const stepsMax = 20_000;

export class VirtualClock implements Scheduler {
  #now = 0;
  #seq = 0;
  readonly #queue: { at: number; seq: number; run: () => void }[] = [];

  get now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.#now + ms, seq: this.#seq++, run });
    this.#queue.sort((a, b) => a.at - b.at || a.seq - b.seq);
  }

  /** False: nothing is left that could happen. */
  step(): boolean {
    const next = this.#queue.shift();
    if (next === undefined) return false;
    this.#now = next.at;
    next.run();
    return true;
  }
}

/** What machines of one cluster have in common. */
export type SimShared = { readonly clock: VirtualClock; readonly disks: SimDisks } & SimHypervisorOptions;

export async function openSimRig(
  shared: SimShared = { clock: new VirtualClock(), disks: { images: new Set(), locks: new Map() } },
): Promise<MoveHost & { readonly machine: SimMachine }> {
  const { clock, disks, ...options } = shared;
  const machine = new SimMachine(clock, disks);
  const events: VmEvent[] = [];
  const moves: MoveEvent[] = [];
  const open = () => {
    const opened = openSimHypervisor(machine, options);
    opened.listen((event) => events.push(event));
    opened.watchMoves((event) => moves.push(event));
    return opened;
  };
  let hypervisor = open();
  return {
    machine,
    moves,
    get hypervisor() {
      return hypervisor;
    },
    events,
    request: (run, { act, disk }) => {
      if (disk !== "missing") machine.disks.images.add(`pool/${disk}`);
      return { run, vm: simVm(run.vm, act, disk), pools: [] };
    },
    openIncarnation: (n) => machine.openIncarnation(n),
    removeIncarnation: (n) => machine.removeIncarnation(n),
    freeze: async (n, frozen) => machine.setFrozen(n, frozen),
    killProcess: (run) => machine.killProcess(run),
    quitProcess: (run) => machine.quitProcess(run),
    reopen: async (meanwhile) => {
      hypervisor.close();
      await meanwhile?.();
      hypervisor = open();
    },
    processExists: (run) => machine.processes.has(runName(run)),
    guestIsUp: (run) => machine.processes.get(runName(run))?.state === "running",
    guestIsDown: (run) => machine.processes.get(runName(run))?.state === "guest-down",
    until: async (what, holds) => {
      for (let i = 0; !(await holds()); i++)
        if (!clock.step() || i > stepsMax) throw new Error(`Waited in vain until ${what}`);
    },
    end: async <T>(call: (done: (end: T) => void) => void) => {
      const ends: T[] = [];
      call((end) => ends.push(end));
      for (let i = 0; ends.length === 0 && clock.step() && i < stepsMax; i++);
      const [end] = ends;
      if (end === undefined) throw new Error("Waited in vain for the end of a call");
      return end;
    },
    close: async () => hypervisor.close(),
  };
}

export function simVm(id: Vm["id"], act: string, disk: string): Vm {
  return {
    schema: 1,
    id,
    name: id,
    spec: {
      cpus: 1,
      memoryMiB: 80,
      cpuModel: "host",
      disks: [{ volume: disk as VolumeId, pool: "pool" as PoolId, sizeMiB: 4, format: "raw" }],
      nics: [],
      kernel: { path: "", initrd: "", append: `holdfast.then=${act}` },
      guestAgent: false,
    },
    requested: "started",
    maxRestart: 0,
    maxRelocate: 0,
    stopGraceMs: 0,
    ...vmDefaults,
    createdAt: 0 as WallMs,
  };
}
