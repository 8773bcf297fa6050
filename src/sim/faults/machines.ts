import type { SeededRandom } from "../../base/random.ts";
import type { VmExit } from "../../model/records.ts";
import { goodMood, type SimDeviceMood } from "../fencing.ts";
import type { FaultEvent } from "../plan.ts";
import type { Copy, HostTrouble } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind } from "./fault.ts";
import { drawLength } from "./processes.ts";

function liveCopy(world: World, event: FaultEvent): Copy | undefined {
  return world.copiesOf(`vm:${event.vm ?? ""}`)[0];
}

function ends(name: string, weight: number, exit: VmExit): FaultKind {
  return {
    name,
    weight,
    draw: (random, context) => ({ vm: random.pick(context.vms) }),
    happens: (world, event) => {
      const copy = liveCopy(world, event);
      if (copy !== undefined) world.qemus.endByItself(copy, exit);
      return undefined;
    },
  };
}

/** A thread in uninterruptible I/O: no signal ends the process before its storage answers. */
const doesNotDie: FaultKind = {
  name: "qemu-does-not-die",
  weight: 4,
  draw: (random, context) => ({ vm: random.pick(context.vms), forMs: 5_000 + random.below(40_000) }),
  happens: (world, event) => {
    const copy = liveCopy(world, event);
    if (copy === undefined) return undefined;
    copy.diesNotBefore = world.scheduler.now + (event.forMs ?? 10_000);
    return () => {
      copy.diesNotBefore = 0;
    };
  },
};

const storageError: FaultKind = {
  name: "storage-error",
  weight: 2,
  draw: (random, context) => ({ vm: random.pick(context.vms), forMs: 500 + random.below(20_000) }),
  happens: (world, event) => {
    const copy = liveCopy(world, event);
    if (copy === undefined || !copy.host.executes(copy)) return undefined;
    copy.paused = true;
    copy.host.driver?.tell({ kind: "paused", run: copy.run, by: "storage-error" });
    return () => {
      if (!copy.alive || !copy.paused) return;
      copy.paused = false;
      copy.host.driver?.tell({ kind: "resumed", run: copy.run });
    };
  },
};

/** QEMUs come up and run their guests, and their monitor lets everybody who connects wait. */
export const qmpLate: FaultKind = {
  name: "qmp-late",
  weight: 1,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 500 + random.below(45_000) }),
  happens: (world, event) => {
    const { trouble } = world.host(event.host);
    if (trouble.qmpLate === 0) trouble.qmpLateSince = world.scheduler.now;
    trouble.qmpLate += 1;
    return () => {
      trouble.qmpLate -= 1;
    };
  },
};

type Flag = keyof Pick<HostTrouble, "startsFail" | "startsSlow" | "slowStorage">;

function hostTrouble(name: string, weight: number, flag: Flag): FaultKind {
  return {
    name,
    weight,
    draw: (random, context) => ({ host: random.pick(context.workers), forMs: 2_000 + random.below(40_000) }),
    happens: (world, event) => {
      const { trouble } = world.host(event.host);
      trouble[flag] += 1;
      return () => {
        trouble[flag] -= 1;
      };
    },
  };
}

function drawDevice(random: SeededRandom, context: DrawContext): { host: string; forMs: number; value: number } {
  return {
    host: random.pick(context.workers),
    forMs: 20_000 + drawLength(random, context),
    value: 2_000 + random.below(25_000),
  };
}

function deviceMood(name: string, weight: number, mood: (event: FaultEvent) => Partial<SimDeviceMood>): FaultKind {
  return {
    name,
    weight,
    draw: drawDevice,
    happens: (world, event) => {
      const device = world.devices.get(event.host ?? "");
      if (device === undefined) return undefined;
      const troubles = device.troubles ?? new Set();
      const trouble = mood(event);
      const settle = (): void => {
        device.troubles = troubles;
        device.mood = Object.assign({}, goodMood, ...troubles);
      };
      troubles.add(trouble);
      settle();
      // Another one may have come meanwhile, or be over: what is left counts.
      return () => {
        troubles.delete(trouble);
        settle();
      };
    },
  };
}

export const machineFaults: readonly FaultKind[] = [
  ends("qemu-crash", 4, "killed"),
  ends("guest-panic", 2, "panicked"),
  ends("guest-shutdown", 2, "guest-shutdown"),
  doesNotDie,
  storageError,
  hostTrouble("start-fails", 3, "startsFail"),
  hostTrouble("start-slow", 3, "startsSlow"),
  hostTrouble("late-writes", 4, "slowStorage"),
  deviceMood("device-slow", 4, (event) => ({ delayMs: event.value ?? 5_000 })),
  deviceMood("device-unreachable", 5, () => ({ unreachable: true })),
  deviceMood("device-ignores", 4, () => ({ ignores: true })),
];

/** Outside the guarantee: only worlds that say so draw it. */
export const deviceLies: FaultKind = deviceMood("device-lies", 20, () => ({ lies: true }));
