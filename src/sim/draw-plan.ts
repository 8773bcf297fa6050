import { type SeededRandom, seededRandom } from "../base/random.ts";
import { profiles } from "../core/limits.ts";
import type { Scheduler } from "../model/policy.ts";
import { drawOne, healAtMs, quietStartMs } from "./draw-events.ts";
import { drawTwo } from "./draw-two.ts";
import type { DrawContext } from "./faults/fault.ts";
import {
  faultKind,
  faultMenu,
  lastMenu,
  lateMenu,
  managingMenu,
  movingMenu,
  orderMenu,
  rareMenu,
  removalMenu,
  rulingMenu,
} from "./faults/menu.ts";
import { drawRules } from "./faults/ruling.ts";
import type { FaultEvent, PlannedVm, SeedLayout, WorldPlan } from "./plan.ts";
import { withCopies } from "./with-copies.ts";
import { withHangs } from "./with-hangs.ts";
import { withLocals } from "./with-locals.ts";

/** A story that single draws would tell too seldom: faults that belong together, with times that matter. */
type Recipe = (random: SeededRandom, context: DrawContext, atMs: number) => FaultEvent[];

/** How many of the worlds have VMs whose disks are copied. */
const copiedShare = 0.2;
/** How many of them run guests with KVM: those do not stand still while they move. */
const kvmShare = 0.25;

/**
 * The world of a seed: of three to five hosts where it is not said otherwise. Draws are split by subject: one more fault kind
 * reshuffles no layout.
 */
export function drawPlan(seed: string, layout: SeedLayout = "many"): WorldPlan {
  return withHangs(drawWithoutHangs(seed, layout), layout);
}

function drawWithoutHangs(seed: string, layout: SeedLayout): WorldPlan {
  if (layout === "two") return drawTwo(seed);
  if (layout === "local") return withLocals({ ...drawUncopied(`local ${seed}`), seed });
  const plan = drawUncopied(seed);
  return seededRandom(`copied ${seed}`).chance(copiedShare) ? withCopies(plan) : plan;
}

function drawUncopied(seed: string): WorldPlan {
  const random = seededRandom(`plan ${seed}`);
  const layout = random.for("layout");
  const hosts = 3 + layout.below(3);
  const witness = hosts > 3 && layout.chance(0.25);
  const voters = hosts === 5 && layout.chance(0.6) ? 5 : 3;
  const profile = layout.pick(["default", "default", "fast"] as const);
  const tight = layout.chance(0.15);
  const rules = random.for("rules");
  const ruled = rules.chance(0.3);
  const inOrder = inStartOrder(random.for("start order"), drawVms(random.for("vms"), tight ? 300 : 80)).map((vm) =>
    ruled && rules.chance(0.15) ? { ...vm, failback: false } : vm,
  );
  const balance = random.for("balance");
  const even = balance.chance(0.2) ? drawBalance(balance) : undefined;
  const kvm = random.for("accel").chance(kvmShare);
  const vms = even === undefined ? inOrder : inOrder.map((vm) => ({ ...vm, cpus: 1 + balance.below(3) }));
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
    ...(kvm ? { accel: "kvm" } : {}),
    witness,
    voters,
    hostMemoryMiB: 1_024,
    devices: layout.chance(0.9),
    pools: [
      { name: "shared", kind: "shared-dir" },
      { name: "replicated", kind: "replicated" },
    ],
    vms,
    ...(ruled && rules.chance(0.3) ? { scheduler: { mode: "static", rebalanceOnStart: rules.chance(0.5) } } : {}),
    ...(even === undefined ? {} : { scheduler: even }),
    events: [
      ...[...drawEvents(random, shape), ...(ruled ? drawRuling(rules, shape) : [])].sort((a, b) => a.atMs - b.atMs),
      ...drawLast(random.for("last"), shape),
      ...drawLong(random.for("long"), shape),
      ...drawLate(random.for("late"), shape),
      ...drawRemoval(random.for("removal"), shape),
    ],
    healAtMs,
    restByMs: healAtMs + 150_000,
    endAtMs: 600_000,
    outside: [],
  };
}

/** A host that comes back right when it is fenced, while whoever fenced it dies before it acts on it (S11, S12). */
const rejoinRace: Recipe = (random, context, atMs) => {
  const host = random.pick(context.workers);
  const silentMs = context.deadlineMs + 500 + random.below(3_500);
  const away = random.pick(["cut", "heart-stop", "host-freeze", "one-way-cut-out"]);
  return [
    { atMs, kind: away, host, forMs: silentMs },
    { atMs, kind: "kill-after-commit", text: "/fence/", forMs: 20_000 },
    { atMs: atMs + 2_000, kind: "stale-watch", host, forMs: 12_000, value: 200 + random.below(2_500) },
    { atMs: atMs + random.below(8_000), kind: "operator-stop", host, vm: random.pick(context.vms) },
  ];
};

/** The device does not do its work: nobody can take the shared VMs, and the host wants them back (S9, S11). */
const deviceInTheWay: Recipe = (random, context, atMs) => {
  const host = random.pick(context.workers);
  const kind = random.pick(["device-unreachable", "device-ignores", "device-slow"]);
  return [
    { atMs: atMs - 1_000, kind, host, forMs: 15_000 + random.below(60_000), value: 2_000 + random.below(25_000) },
    {
      atMs,
      kind: random.pick(["cut", "heart-stop", "host-freeze"]),
      host,
      forMs: context.deadlineMs + 1_000 + random.below(20_000),
    },
    { atMs: atMs + random.below(30_000), kind: "agent-kill", host },
    {
      atMs: atMs + random.below(30_000),
      kind: "operator-stop",
      host: random.pick(context.workers),
      vm: random.pick(context.vms),
    },
  ];
};

/** A leader that stands still over a failover and goes on in the middle of it (S12). */
const twoManagers: Recipe = (random, context, atMs) => {
  const forMs = 2_500 + random.below(8_000);
  return [
    { atMs, kind: "leader-stop", forMs },
    { atMs: atMs - 3_000 + random.below(3_000), kind: "power-loss", host: random.pick(context.workers), forMs: 30_000 },
    { atMs: atMs + forMs - 500, kind: "answers-lost", host: random.pick(context.hosts), forMs: 4_000 },
  ];
};

/** Everything stands still for about as long as it takes to be fenced; nobody may be (S8). */
const longOutage: Recipe = (random, context, atMs) => [
  {
    atMs,
    kind: random.pick(["network-outage", "store-unavailable", "store-full"]),
    forMs: context.deadlineMs + random.below(20_000),
  },
  {
    atMs: atMs - 2_000 + random.below(4_000),
    kind: "cut",
    host: random.pick(context.hosts),
    forMs: 3_000 + random.below(9_000),
  },
];

/** A start, a stop or an adoption in the middle of which the agent dies (S14). */
const agentDiesBetween: Recipe = (random, context, atMs) => {
  const vm = random.pick(context.vms);
  const host = random.pick(context.workers);
  const text = random.pick(["/owner/", "/vms/"]);
  return [
    { atMs, kind: "operator-stop", host, vm },
    { atMs: atMs + random.below(2_000), kind: "kill-after-commit", text, forMs: 30_000 },
    { atMs: atMs + 4_000 + random.below(4_000), kind: "operator-start", host, vm },
    { atMs: atMs + 5_000 + random.below(4_000), kind: "kill-after-commit", text, forMs: 30_000 },
    { atMs: atMs + 5_000 + random.below(3_000), kind: "start-slow", host: random.pick(context.workers), forMs: 8_000 },
  ];
};

const recipes: readonly Recipe[] = [
  rejoinRace,
  rejoinRace,
  deviceInTheWay,
  deviceInTheWay,
  twoManagers,
  longOutage,
  agentDiesBetween,
];

/** S6: a stop meets a process that no signal ends. */
const undyingStop: Recipe = (random, context, atMs) => {
  const vm = random.pick(context.vms);
  return [
    { atMs, kind: "qemu-does-not-die", vm, forMs: 15_000 + random.below(30_000) },
    { atMs: atMs + 100 + random.below(2_000), kind: "operator-stop", host: random.pick(context.workers), vm },
  ];
};

/** S14: an agent comes up on a host on which everything takes its time, looking around included. */
const busyRestart: Recipe = (random, context, atMs) => {
  const host = random.pick(context.workers);
  return [
    { atMs, kind: "start-slow", host, forMs: 20_000 },
    { atMs: atMs + 500 + random.below(5_000), kind: "agent-kill", host },
  ];
};

/** S7: a host whose D was long, and is short again, falls silent before what it had promised is over. */
const shortenedDeadline: Recipe = (random, context, atMs) => {
  const host = random.pick(context.workers);
  const apartMs = 500 + random.below(1_500);
  const backMs = atMs + 20_000;
  return [
    { atMs, kind: "deadline-changes", host, forMs: 20_000, text: "slow", value: apartMs },
    { atMs: backMs + apartMs + 900 + random.below(3_000), kind: "heart-stop", host, forMs: 18_000 },
  ];
};

/** S5: a host whose processes cannot be frozen loses contact. */
const freezeThatSticks: Recipe = (random, context, atMs) => {
  const host = random.pick(context.workers);
  const away = random.pick(["cut", "heart-stop", "one-way-cut-in"]);
  return [
    { atMs, kind: "freeze-sticks", host, forMs: 20_000 + random.below(30_000) },
    { atMs: atMs + random.below(3_000), kind: away, host, forMs: context.deadlineMs + random.below(20_000) },
  ];
};

/** Drawn by themselves, like the rare faults. */
const rareRecipes: readonly Recipe[] = [undyingStop, busyRestart, shortenedDeadline];

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

/** In some worlds hosts are kept even; drawn by itself, so that all other draws stay as they were. */
function drawBalance(random: SeededRandom): Scheduler {
  return {
    mode: random.pick(["static", "dynamic"]),
    rebalanceOnStart: random.chance(0.2),
    autoRebalance: {
      enabled: true,
      method: random.pick(["bruteforce", "topsis"]),
      threshold: random.pick([0.1, 0.2, 0.3]),
      holdMs: random.pick([10_000, 20_000, 30_000]),
      margin: random.pick([0.05, 0.1, 0.2]),
    },
  };
}

/** In some worlds VMs start in an order; drawn by itself, so that all other draws stay as they were. */
function inStartOrder(random: SeededRandom, vms: PlannedVm[]): PlannedVm[] {
  if (!random.chance(0.3)) return vms;
  return vms.map((vm) => ({ ...vm, startPriority: random.below(3), startDelayMs: random.below(5_000) }));
}

function drawEvents(random: SeededRandom, context: DrawContext): FaultEvent[] {
  const faults = random.for("faults");
  const orders = random.for("orders");
  const events: FaultEvent[] = [];
  for (let i = 6 + faults.below(10); i > 0; i--) events.push(...drawOne(faults, context, faultMenu));
  const recipe = random.for("recipe");
  if (recipe.chance(0.6)) {
    events.push(
      ...recipe.pick(recipes)(recipe, context, quietStartMs + recipe.below(healAtMs - quietStartMs - 90_000)),
    );
  }
  const rare = random.for("rare");
  if (rare.chance(0.3)) events.push(...drawOne(rare, context, rareMenu));
  if (rare.chance(0.15)) {
    events.push(...rare.pick(rareRecipes)(rare, context, quietStartMs + rare.below(healAtMs - quietStartMs - 60_000)));
  }
  const sticks = random.for("sticks");
  if (sticks.chance(0.08))
    events.push(...freezeThatSticks(sticks, context, quietStartMs + sticks.below(healAtMs - quietStartMs - 60_000)));
  const managing = random.for("managing");
  for (let i = managing.chance(0.5) ? 1 + managing.below(6) : 0; i > 0; i--)
    events.push(...drawOne(managing, context, managingMenu));
  const moving = random.for("moving");
  for (let i = moving.chance(0.5) ? 1 + moving.below(6) : 0; i > 0; i--)
    events.push(...drawOne(moving, context, movingMenu));
  for (let i = 2 + orders.below(8); i > 0; i--) events.push(...drawOne(orders, context, orderMenu));
  return events.sort((a, b) => a.atMs - b.atMs);
}

function drawRuling(random: SeededRandom, context: DrawContext): FaultEvent[] {
  const events = drawRules(random, context);
  for (let i = random.below(8); i > 0; i--) events.push(...drawOne(random, context, rulingMenu));
  return events;
}

/** Something that lasts: whoever waits for it has to be told (LIVE). */
function drawLong(random: SeededRandom, context: DrawContext): FaultEvent[] {
  if (!random.chance(0.15)) return [];
  const host = random.pick(context.workers);
  const atMs = quietStartMs + random.below(healAtMs - quietStartMs - 200_000);
  const forMs = 150_000 + random.below(50_000);
  const kind = random.pick(["agent-stop", "power-loss", "host-freeze", "heart-stop", "move", "move", "move"]);
  if (kind !== "move") return [{ atMs, kind, host, forMs }];
  const moment = random.pick(["asked", "waiting", "switched", "over"]);
  const trouble = random.pick(["agent-stop", "agent-stop", "power-loss", "host-freeze", "cut", "link-cut"]);
  const text = `${moment} ${random.pick(["source", "target"])} ${trouble} long`;
  const value = random.chance(0.6) ? random.below(30) : random.below(1_500);
  return [{ atMs, kind: "move-in-trouble", vm: random.pick(context.vms), host, text, value, forMs: 60_000 }];
}

/** A monitor that answers late shows where somebody connects to it: right after a start, or with the agent's next life. */
function drawLate(random: SeededRandom, context: DrawContext): FaultEvent[] {
  if (!random.chance(0.15)) return [];
  const late = drawOne(random, context, lateMenu);
  return late.flatMap((event) => {
    const { atMs, host = "h1" } = event;
    const meanwhile = random.pick(["agent-kill", "operator-start", "operator-moves", "power-loss"]);
    const kind = faultKind(meanwhile);
    const more = kind.draw(random, context);
    const then = { atMs: atMs + random.below(5_000), kind: meanwhile, ...more };
    if (meanwhile === "agent-kill") return [event, { ...then, host }];
    return more === undefined ? [event] : [event, then];
  });
}

function drawRemoval(random: SeededRandom, context: DrawContext): FaultEvent[] {
  return random.chance(0.15) ? drawOne(random, context, removalMenu) : [];
}

function drawLast(random: SeededRandom, context: DrawContext): FaultEvent[] {
  return random.chance(0.25) ? drawOne(random, context, lastMenu) : [];
}
