import type { FaultKind } from "./fault.ts";
import { drawLength } from "./processes.ts";

const powerLoss: FaultKind = {
  name: "power-loss",
  weight: 8,
  draw: (random, context) => ({ host: random.pick(context.hosts), forMs: 3_000 + random.below(60_000) }),
  happens: (world, event) => {
    world.cutPower(world.host(event.host), "fault", event.forMs ?? 10_000);
    return undefined;
  },
};

const hostFreeze: FaultKind = {
  name: "host-freeze",
  weight: 7,
  draw: (random, context) => ({ host: random.pick(context.hosts), forMs: drawLength(random, context) }),
  happens: (world, event) => {
    const host = world.host(event.host);
    if (!host.on) return undefined;
    const { boots } = host;
    world.freezeHost(host);
    // Whoever stops a machine in this way may also lose it: the freeze ends with its power.
    return () => world.thawHost(host, boots);
  },
};

/** Everything goes dark and comes back in any order. */
const clusterStart: FaultKind = {
  name: "cluster-start",
  weight: 2,
  draw: (random) => ({ forMs: 5_000 + random.below(20_000) }),
  happens: (world, event, random) => {
    for (const host of world.hosts) world.cutPower(host, "fault", (event.forMs ?? 5_000) + random.below(15_000));
    return undefined;
  },
};

const clockRate: FaultKind = {
  name: "clock-rate",
  weight: 3,
  draw: (random, context) => ({
    host: random.pick(context.hosts),
    forMs: 30_000 + random.below(200_000),
    // S3: the allowed slew is 500 ppm, both ways.
    value: random.below(1_001) - 500,
  }),
  happens: (world, event) => {
    const host = world.host(event.host);
    host.clock.setRate(1 + (event.value ?? 0) / 1_000_000);
    return () => host.clock.setRate(1);
  },
};

const wallJump: FaultKind = {
  name: "wall-jump",
  weight: 2,
  draw: (random, context) => ({ host: random.pick(context.hosts), value: random.below(7_200_000) - 3_600_000 }),
  happens: (world, event) => {
    world.host(event.host).clock.wallOffsetMs += event.value ?? 0;
    return undefined;
  },
};

export const hostFaults: readonly FaultKind[] = [powerLoss, hostFreeze, clusterStart, clockRate, wallJump];
