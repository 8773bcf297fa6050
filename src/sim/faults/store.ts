import type { Revision } from "../../model/ids.ts";
import type { FaultKind } from "./fault.ts";
import { drawLength } from "./processes.ts";

const leaderChange: FaultKind = {
  name: "store-leader-change",
  weight: 4,
  draw: () => ({}),
  happens: (world) => {
    world.members.depose();
    return undefined;
  },
};

const memberDown: FaultKind = {
  name: "store-member-down",
  weight: 4,
  draw: (random, context) => ({ host: random.pick(context.hosts), forMs: drawLength(random, context) }),
  happens: (world, event) => {
    const { trouble } = world.host(event.host);
    trouble.memberDown += 1;
    world.members.refresh();
    return () => {
      trouble.memberDown -= 1;
      world.members.refresh();
    };
  },
};

const unavailable: FaultKind = {
  name: "store-unavailable",
  weight: 5,
  draw: (random, context) => ({ forMs: drawLength(random, context) }),
  happens: (world) => {
    world.members.unavailable += 1;
    return () => {
      world.members.unavailable -= 1;
      world.members.refresh();
    };
  },
};

const full: FaultKind = {
  name: "store-full",
  weight: 4,
  draw: (random, context) => ({ forMs: drawLength(random, context) }),
  happens: (world) => {
    world.members.full = true;
    return () => {
      world.members.full = false;
    };
  },
};

const answersLost: FaultKind = {
  name: "answers-lost",
  weight: 5,
  draw: (random, context) => ({ host: random.pick(context.hosts), forMs: 1_000 + random.below(20_000) }),
  happens: (world, event) => {
    const { number } = world.host(event.host);
    const lost = world.members.answersLost;
    lost[number] = (lost[number] ?? 0) + 1;
    return () => {
      lost[number] = (lost[number] ?? 1) - 1;
    };
  },
};

/** Reads are linearizable in the real adapter; what can be old is a watch. */
const staleWatch: FaultKind = {
  name: "stale-watch",
  weight: 5,
  draw: (random, context) => ({
    host: random.pick(context.hosts),
    forMs: drawLength(random, context),
    value: 200 + random.below(3_000),
  }),
  happens: (world, event) => {
    const { trouble } = world.host(event.host);
    trouble.watchLagMs += event.value ?? 500;
    return () => {
      trouble.watchLagMs -= event.value ?? 500;
    };
  },
};

/** History goes while a host's watch is cut off: it has to start from a snapshot again. */
const watchGap: FaultKind = {
  name: "watch-gap",
  weight: 3,
  draw: (random, context) => ({ host: random.pick(context.hosts), forMs: 1_000 + random.below(6_000) }),
  happens: (world, event) => {
    const { number } = world.host(event.host);
    const pairs = world.hosts.filter((other) => other.number !== number);
    for (const other of pairs) world.network.cut(other.number, number, 1);
    return () => {
      world.compact(world.memory.revision() as Revision);
      for (const other of pairs) world.network.cut(other.number, number, -1);
    };
  },
};

export const storeFaults: readonly FaultKind[] = [
  leaderChange,
  memberDown,
  unavailable,
  full,
  answersLost,
  staleWatch,
  watchGap,
];
