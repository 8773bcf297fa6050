import type { SeededRandom } from "../../base/random.ts";
import type { FaultEvent } from "../plan.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind, Heal } from "./fault.ts";
import { drawLength } from "./processes.ts";

type Pair = readonly [from: number, to: number];

function cutAll(world: World, pairs: readonly Pair[]): Heal {
  for (const [from, to] of pairs) world.network.cut(from, to, 1);
  return () => {
    for (const [from, to] of pairs) world.network.cut(from, to, -1);
  };
}

function others(world: World, host: number): number[] {
  return world.hosts.map((other) => other.number).filter((other) => other !== host);
}

function oneHost(random: SeededRandom, context: DrawContext): { host: string; forMs: number } {
  return { host: random.pick(context.hosts), forMs: drawLength(random, context) };
}

function twoHosts(random: SeededRandom, context: DrawContext): { host: string; other: string; forMs: number } {
  const host = random.pick(context.hosts);
  const other = random.pick(context.hosts.filter((one) => one !== host));
  return { host, other, forMs: drawLength(random, context) };
}

function cutOf(name: string, weight: number, pairsOf: (world: World, host: number) => Pair[]): FaultKind {
  return {
    name,
    weight,
    draw: oneHost,
    happens: (world, event) => cutAll(world, pairsOf(world, world.host(event.host).number)),
  };
}

function linkOf(name: string, weight: number, pairsOf: (a: number, b: number) => Pair[]): FaultKind {
  return {
    name,
    weight,
    draw: twoHosts,
    happens: (world, event) => cutAll(world, pairsOf(world.host(event.host).number, world.host(event.other).number)),
  };
}

const outage: FaultKind = {
  name: "network-outage",
  weight: 6,
  draw: (random, context) => ({ forMs: Math.max(3_000, drawLength(random, context)) }),
  happens: (world) => {
    const pairs = world.hosts.flatMap((host) => others(world, host.number).map((other): Pair => [host.number, other]));
    return cutAll(world, pairs);
  },
};

const slow: FaultKind = {
  name: "slow-link",
  weight: 4,
  draw: (random, context) => ({
    ...oneHost(random, context),
    value: 20 + random.below(random.chance(0.3) ? 2_500 : 400),
  }),
  happens: (world, event) => slowHost(world, event),
};

function slowHost(world: World, event: FaultEvent): Heal {
  const host = world.host(event.host).number;
  const ms = event.value ?? 100;
  const change = (by: number): void => {
    for (const other of others(world, host)) {
      world.network.slow(host, other, by);
      world.network.slow(other, host, by);
    }
  };
  change(ms);
  return () => change(-ms);
}

const reorder: FaultKind = {
  name: "reorder",
  weight: 3,
  draw: (random) => ({ forMs: 10_000 + random.below(60_000), value: 50 + random.below(1_500) }),
  happens: (world, event) => {
    world.network.reorderMs = event.value ?? 100;
    return () => {
      world.network.reorderMs = 0;
    };
  },
};

/** A request arrives, and after a while once more: whatever was true when it was made may be over by then. */
export const doubling: FaultKind = {
  name: "duplicate",
  weight: 1,
  draw: (random) => ({
    forMs: 20_000 + random.below(120_000),
    value: 50 + random.below(random.chance(0.3) ? 8_000 : 800),
  }),
  happens: (world, event) => {
    world.network.doubledMs = event.value ?? 100;
    return () => {
      world.network.doubledMs = 0;
    };
  },
};

export const linkFaults: readonly FaultKind[] = [
  cutOf("cut", 8, (world, host) =>
    others(world, host).flatMap((other): Pair[] => [
      [host, other],
      [other, host],
    ]),
  ),
  cutOf("one-way-cut-out", 5, (world, host) => others(world, host).map((other): Pair => [host, other])),
  cutOf("one-way-cut-in", 5, (world, host) => others(world, host).map((other): Pair => [other, host])),
  linkOf("link-cut", 4, (a, b) => [
    [a, b],
    [b, a],
  ]),
  linkOf("link-one-way", 3, (a, b) => [[a, b]]),
  outage,
  slow,
  reorder,
];
