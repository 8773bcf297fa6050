import { type SeededRandom, seededRandom } from "../base/random.ts";
import type { GroupPoints } from "../model/point-records.ts";
import { drawOne } from "./draw-events.ts";
import type { DrawContext } from "./faults/fault.ts";
import { copyingMenu, failoverMenu } from "./faults/menu.ts";
import { type PlannedGroup, type PlannedVm, planProfiles, type WorldPlan } from "./plan.ts";

const eventsMin = 4;
const eventsMax = 14;
const failoversMax = 4;
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
 * The world of a seed with VMs besides whose disks lie with one host and are copied to another, in a group or two, and with
 * what befalls such copies. Everything else is drawn as it is without them: what comes here is added at the end, so that no
 * other event is another one for it.
 */
export function withCopies(plan: WorldPlan): WorldPlan {
  const random = seededRandom(`copies ${plan.seed}`);
  const workers = Array.from({ length: plan.witness ? plan.hosts - 1 : plan.hosts }, (_, i) => `h${i + 1}`);
  const names = ["office", ...(random.chance(0.3) ? ["lab"] : [])];
  const drawn = names.map((name, i) => drawGroup(random.for(name), name, workers, i * 2 + 1));
  const cycles = seededRandom(`cycles ${plan.seed}`);
  if (cycles.chance(0.5)) drawn.push(drawCycled(cycles, workers));
  const events = drawn.flatMap(({ group }) => {
    const pair = [group.from, group.to];
    const { deadlineMs } = planProfiles[plan.profile === "two" ? "default" : plan.profile];
    const context: DrawContext = { hosts: pair, workers: pair, vms: group.vms, deadlineMs };
    const faults = random.for(`faults ${group.name}`);
    const number = eventsMin + faults.below(eventsMax - eventsMin);
    return Array.from({ length: number }, () => drawOne(faults, context, copyingMenu)).flat();
  });
  const failovers = seededRandom(`failovers ${plan.seed}`);
  const vms = drawn.flatMap(({ group }) => group.vms);
  const context: DrawContext = { hosts: workers, workers, vms, deadlineMs: 0 };
  for (let i = failovers.below(failoversMax + 1); i > 0; i--) events.push(...drawOne(failovers, context, failoverMenu));
  return {
    ...plan,
    pools: [...plan.pools, { name: "local", kind: "local-dir" }],
    vms: [...plan.vms, ...drawn.flatMap(({ vms }) => vms)],
    groups: drawn.map(({ group }) => group),
    events: [...plan.events, ...events],
  };
}

type Drawn = { readonly group: PlannedGroup; readonly vms: readonly PlannedVm[] };

/** One VM with one disk, whose writes are sent every so often: a failover of it by itself may lose so much. */
function drawCycled(random: SeededRandom, workers: readonly string[]): Drawn {
  const from = random.pick(workers);
  const to = random.pick(workers.filter((host) => host !== from));
  const vm = { name: "cycled1", pool: "local", memoryMiB: 64, requested: "started" as const };
  const mode = { everyS: random.pick([5, 15]), lossS: random.pick([20, 60, 300]) };
  return {
    group: { name: "shop", from, to, vms: [vm.name], ...mode },
    vms: [{ ...vm, maxRestart: 2, maxRelocate: 1 }],
  };
}

function drawGroup(random: SeededRandom, name: string, workers: readonly string[], first: number): Drawn {
  const from = random.pick(workers);
  const to = random.pick(workers.filter((host) => host !== from));
  const vms = Array.from({ length: 1 + random.below(2) }, (_, i) => ({
    ...{ name: `copied${first + i}`, pool: "local", memoryMiB: 64, disks: random.chance(0.3) ? 2 : 1 },
    ...{ requested: "started" as const, maxRestart: random.below(4), maxRelocate: random.below(3) },
  }));
  const group = { name, from, to, vms: vms.map((vm) => vm.name), points: random.chance(0.6) ? points : null };
  return { group, vms };
}
