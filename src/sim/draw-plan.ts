import { type SeededRandom, seededRandom } from "../base/random.ts";
import { profiles } from "../core/limits.ts";
import type { DrawContext, FaultKind } from "./faults/fault.ts";
import { faultMenu, orderMenu } from "./faults/menu.ts";
import type { FaultEvent, PlannedVm, WorldPlan } from "./plan.ts";

const quietStartMs = 40_000;
const healAtMs = 440_000;

/** The world of a seed. Draws are split by subject: one more fault kind reshuffles no layout. */
export function drawPlan(seed: string): WorldPlan {
  const random = seededRandom(`plan ${seed}`);
  const layout = random.for("layout");
  const hosts = 3 + layout.below(3);
  const witness = hosts > 3 && layout.chance(0.25);
  const voters = hosts === 5 && layout.chance(0.6) ? 5 : 3;
  const profile = layout.pick(["default", "default", "fast"] as const);
  const tight = layout.chance(0.15);
  const vms = drawVms(random.for("vms"), tight ? 300 : 80);
  const shape = {
    hosts: Array.from({ length: hosts }, (_, i) => `h${i + 1}`),
    workers: Array.from({ length: witness ? hosts - 1 : hosts }, (_, i) => `h${i + 1}`),
    vms: vms.map((vm) => vm.name),
    deadlineMs: profiles[profile].deadlineMs,
  };
  return {
    schema: 1,
    seed,
    profile,
    hosts,
    witness,
    voters,
    hostMemoryMiB: 1_024,
    devices: layout.chance(0.9),
    pools: [
      { name: "shared", kind: "shared-dir" },
      { name: "replicated", kind: "replicated" },
    ],
    vms,
    events: drawEvents(random, shape),
    healAtMs,
    restByMs: healAtMs + 150_000,
    endAtMs: 600_000,
    outside: [],
  };
}

function drawVms(random: SeededRandom, memoryMiB: number): PlannedVm[] {
  return Array.from({ length: 6 + random.below(5) }, (_, i) => ({
    name: `vm${i + 1}`,
    pool: i % 2 === 0 ? "shared" : "replicated",
    memoryMiB,
    requested: random.chance(0.9) ? ("started" as const) : ("stopped" as const),
    maxRestart: random.below(4),
    maxRelocate: random.below(3),
  }));
}

function drawEvents(random: SeededRandom, context: DrawContext): FaultEvent[] {
  const faults = random.for("faults");
  const orders = random.for("orders");
  const events: FaultEvent[] = [];
  for (let i = 6 + faults.below(10); i > 0; i--) events.push(...drawOne(faults, context, faultMenu));
  for (let i = 2 + orders.below(8); i > 0; i--) events.push(...drawOne(orders, context, orderMenu));
  return events.sort((a, b) => a.atMs - b.atMs);
}

function drawOne(random: SeededRandom, context: DrawContext, menu: readonly FaultKind[]): FaultEvent[] {
  const kind = pickByWeight(random, menu);
  const atMs = quietStartMs + random.below(healAtMs - quietStartMs - 20_000);
  const rest = kind.draw(random, context);
  if (rest === undefined) return [];
  const event = { atMs, kind: kind.name, ...rest };
  // Troubles like company: some come as a burst around the same moment.
  if (!random.chance(0.3)) return [event];
  const second = pickByWeight(random, menu);
  const more = second.draw(random, context);
  if (more === undefined) return [event];
  return [event, { atMs: atMs + random.below(8_000), kind: second.name, ...more }];
}

function pickByWeight(random: SeededRandom, menu: readonly FaultKind[]): FaultKind {
  let draw = random.below(menu.reduce((sum, kind) => sum + kind.weight, 0));
  for (const kind of menu) {
    draw -= kind.weight;
    if (draw < 0) return kind;
  }
  return random.pick(menu);
}
