import { seededRandom } from "../base/random.ts";
import { profiles } from "../core/limits.ts";
import { drawOne, healAtMs, quietStartMs } from "./draw-events.ts";
import type { DrawContext } from "./faults/fault.ts";
import { faultMenu, managingMenu, movingMenu, orderMenu, takeoverMenu } from "./faults/menu.ts";
import type { FaultEvent, PlannedVm, WorldPlan } from "./plan.ts";
import { withCopies } from "./with-copies.ts";

/** Long enough for whoever was lost to be back before everything heals. */
const takeoverMs = 160_000;

/** The world of a seed of two hosts that vote, and of nobody else: most of their VMs are copied from one to the other (S23). */
export function drawTwo(seed: string): WorldPlan {
  const random = seededRandom(`two hosts ${seed}`);
  const layout = random.for("layout");
  const workers = ["h1", "h2"];
  const vms = Array.from({ length: 5 + layout.below(3) }, (_, i): PlannedVm => {
    const requested = layout.chance(0.9) ? "started" : "stopped";
    const pool = i % 2 === 0 ? "shared" : "replicated";
    return { name: `vm${i + 1}`, pool, memoryMiB: 80, requested, maxRestart: layout.below(4), maxRelocate: 1 };
  });
  // Lengths are drawn as elsewhere: around a D that nobody has here.
  const context = {
    hosts: workers,
    workers,
    vms: vms.map(({ name }) => name),
    deadlineMs: profiles.default.deadlineMs,
  };
  return withCopies({
    ...{ schema: 1, seed, profile: "two", hosts: 2, witness: false, voters: 2, hostMemoryMiB: 1_024 },
    ...(layout.chance(0.25) ? { accel: "kvm" } : {}),
    devices: layout.chance(0.5),
    pools: [
      { name: "shared", kind: "shared-dir" },
      { name: "replicated", kind: "replicated" },
    ],
    vms,
    events: drawEvents(seed, context),
    ...{ healAtMs, restByMs: healAtMs + 150_000, endAtMs: 600_000 },
    outside: [],
  });
}

function drawEvents(seed: string, context: DrawContext): FaultEvent[] {
  const random = seededRandom(`two events ${seed}`);
  const draw = (subject: string, least: number, most: number, menu: typeof faultMenu): FaultEvent[] => {
    const draws = random.for(subject);
    const count = least + draws.below(most - least + 1);
    return Array.from({ length: count }, () => drawOne(draws, context, menu)).flat();
  };
  const taking = random.for("takeovers");
  const takeovers = Array.from({ length: 1 + taking.below(3) }, () => drawOne(taking, context, takeoverMenu)).flat();
  return [
    ...draw("faults", 3, 8, faultMenu),
    ...draw("orders", 2, 6, orderMenu),
    ...draw("managing", 0, 3, managingMenu),
    ...draw("moving", 0, 3, movingMenu),
    ...takeovers.map((event) => ({
      ...event,
      atMs: quietStartMs + taking.below(healAtMs - quietStartMs - takeoverMs),
    })),
  ].sort((a, b) => a.atMs - b.atMs);
}
