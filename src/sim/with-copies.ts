import { type SeededRandom, seededRandom } from "../base/random.ts";
import type { GroupPoints } from "../model/point-records.ts";
import type { FaultEvent, WorldPlan } from "./plan.ts";

const names = ["copied1", "copied2"] as const;
const quietMs = 40_000;
const eventsMax = 14;
const wishesMax = 8;
/** As people would have them, only faster. */
const points: GroupPoints = {
  everyMs: 20_000,
  keep: [
    { everyMs: 40_000, count: 3 },
    { everyMs: 120_000, count: 2 },
  ],
  consistency: "application",
  test: { everyMs: 120_000, checks: [], limitMs: 60_000 },
};

/**
 * The world of a seed with two VMs besides whose disks lie with one host and are copied to another, and with what befalls such
 * copies. Everything else is drawn as it is without them.
 */
export function withCopies(plan: WorldPlan): WorldPlan {
  const random = seededRandom(`copies ${plan.seed}`);
  const [from, to] = random.chance(0.5) ? (["h1", "h2"] as const) : (["h2", "h1"] as const);
  const vms = names.map((name) => ({
    ...{ name, pool: "local", memoryMiB: 64, requested: "started" as const, maxRestart: 2, maxRelocate: 1 },
  }));
  const events = Array.from({ length: 4 + random.below(eventsMax - 4) }, () =>
    draw(random, [from, to], plan.healAtMs - quietMs),
  );
  const asking = seededRandom(`points ${plan.seed}`);
  const wishes = Array.from({ length: wishesMax }, (): FaultEvent => {
    const atMs = quietMs + asking.below(plan.healAtMs - quietMs);
    const kind = asking.pick(["point-take", "point-take", "point-drop", "point-test", "point-export"]);
    return { atMs, kind, host: asking.pick([from, to]), vm: asking.pick(names) };
  });
  return {
    ...plan,
    pools: [...plan.pools, { name: "local", kind: "local-dir" }],
    vms: [...plan.vms, ...vms],
    groups: [{ name: "office", from, to, vms: names, points }],
    events: [...plan.events, ...events, ...wishes].sort((a, b) => a.atMs - b.atMs),
  };
}

function draw(random: SeededRandom, [from, to]: readonly [string, string], spanMs: number): FaultEvent {
  const atMs = quietMs + random.below(spanMs);
  const vm = random.pick(names);
  const forMs = 500 + random.below(20_000);
  const host = random.chance(0.5) ? from : to;
  const other = host === from ? to : from;
  return random.pick<FaultEvent>([
    { atMs, kind: "relay-kill", vm },
    { atMs, kind: "copies-kill", vm },
    { atMs, kind: "copies-hang", vm, forMs },
    { atMs, kind: "link-cut", host, other, forMs },
    { atMs, kind: "link-cut", host, other, forMs },
    { atMs, kind: "qemu-crash", vm },
    { atMs, kind: "agent-kill", host },
    { atMs, kind: "power-loss", host, forMs: 5_000 + forMs },
    { atMs, kind: "host-freeze", host, forMs },
  ]);
}
