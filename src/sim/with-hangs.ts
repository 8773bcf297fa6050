import { type SeededRandom, seededRandom } from "../base/random.ts";
import { drawOne, healAtMs, quietStartMs } from "./draw-events.ts";
import type { DrawContext } from "./faults/fault.ts";
import { hangingMenu, relayHangingMenu } from "./faults/menu.ts";
import { type FaultEvent, planProfiles, type SeedLayout, type WorldPlan } from "./plan.ts";

const qemusShare = 0.2;
/** Of the worlds that copy disks. */
const relaysShare = 0.4;
const eventsMax = 3;

/**
 * The same world, and in some something hangs: QEMUs, and the relays between guests and their copies. Drawn by itself, and added
 * at the end: no other event is another one for it.
 */
export function withHangs(plan: WorldPlan, layout: SeedLayout): WorldPlan {
  const events = [...drawQemus(plan, layout), ...drawRelays(plan, layout)];
  return events.length === 0 ? plan : { ...plan, events: [...plan.events, ...events] };
}

function drawQemus(plan: WorldPlan, layout: SeedLayout): FaultEvent[] {
  const random = seededRandom(`qemus hang ${layout} ${plan.seed}`);
  if (!random.chance(qemusShare)) return [];
  const copied = (plan.groups ?? []).flatMap(({ vms }) => vms);
  const local = plan.vms.filter(({ pool }) => pool === "own").map(({ name }) => name);
  const moves = [
    "move-in-trouble",
    ...besides(copied, "switchover-in-trouble"),
    ...besides(local, "local-move-in-trouble"),
  ];
  const ofMove = (kind: string): readonly string[] => {
    if (kind === "switchover-in-trouble") return copied;
    return kind === "local-move-in-trouble" ? local : plan.vms.map(({ name }) => name);
  };
  return drawSome(random, () => {
    const all = contextOf(
      plan,
      plan.vms.map(({ name }) => name),
    );
    if (random.chance(0.5)) return drawOne(random, all, hangingMenu);
    const kind = random.pick(moves);
    const context = contextOf(plan, ofMove(kind));
    const moment = random.pick(["asked", "waiting", "waiting", "switched", "switched", "over"]);
    return drawIn(random, context, kind, `${moment} ${random.pick(["source", "target"])} qemu-hangs`);
  });
}

function besides(vms: readonly string[], kind: string): readonly string[] {
  return vms.length === 0 ? [] : [kind, kind];
}

function drawRelays(plan: WorldPlan, layout: SeedLayout): FaultEvent[] {
  const random = seededRandom(`relays hang ${layout} ${plan.seed}`);
  const vms = (plan.groups ?? []).flatMap((group) => group.vms);
  if (vms.length === 0 || !random.chance(relaysShare)) return [];
  const context = contextOf(plan, vms);
  return drawSome(random, () => {
    const how = random.below(10);
    if (how < 6) return drawOne(random, context, relayHangingMenu);
    const end = random.pick(["source", "target"]);
    const trouble = random.pick(["relay-hangs", "relay-hangs", "relay-hangs", "qemu-hangs"]);
    if (how === 9) return drawIn(random, context, "switchover-in-trouble", `waiting ${end} ${trouble}`);
    const moment = random.pick(["copying", "copying", "in-sync", "stale", "stale", "ended", "now"]);
    return drawIn(random, context, "copies-in-trouble", `${moment} ${end} ${trouble}`);
  });
}

function drawSome(random: SeededRandom, draw: () => FaultEvent[]): FaultEvent[] {
  return Array.from({ length: 1 + random.below(eventsMax) }, draw).flat();
}

/** Something befalls a VM, or its copy, at a moment that comes later, if it does. */
function drawIn(random: SeededRandom, context: DrawContext, kind: string, text: string): FaultEvent[] {
  return [
    {
      ...{ atMs: quietStartMs + random.below(healAtMs - quietStartMs - 20_000), kind, text },
      ...{ vm: random.pick(context.vms), host: random.pick(context.workers), forMs: 60_000 },
      value: random.chance(0.6) ? random.below(30) : random.below(1_500),
    },
  ];
}

function contextOf(plan: WorldPlan, vms: readonly string[]): DrawContext {
  const workers = Array.from({ length: plan.witness ? plan.hosts - 1 : plan.hosts }, (_, i) => `h${i + 1}`);
  return { hosts: workers, workers, vms, deadlineMs: planProfiles[plan.profile].deadlineMs };
}
