import { seededRandom } from "../base/random.ts";
import { drawOne } from "./draw-events.ts";
import type { DrawContext } from "./faults/fault.ts";
import { localMovingMenu } from "./faults/menu.ts";
import type { FaultEvent, WorldPlan } from "./plan.ts";

const eventsMin = 4;
const eventsMax = 10;

/**
 * The world of a plan where half of the VMs have their disks in a pool that each host has by itself, and take them along when they
 * move (S15); with what befalls such moves.
 */
export function withLocals(plan: WorldPlan): WorldPlan {
  const random = seededRandom(`locals ${plan.seed}`);
  const vms = plan.vms.map((vm) =>
    vm.pool === "shared" ? vm : { ...vm, pool: "own", disks: random.chance(0.3) ? 2 : 1 },
  );
  const workers = Array.from({ length: plan.witness ? plan.hosts - 1 : plan.hosts }, (_, i) => `h${i + 1}`);
  const locals = vms.filter(({ pool }) => pool === "own").map(({ name }) => name);
  const context: DrawContext = { hosts: workers, workers, vms: locals, deadlineMs: 0 };
  const moves = random.for("moves");
  const events: FaultEvent[] = [];
  for (let i = eventsMin + moves.below(eventsMax - eventsMin + 1); i > 0; i--)
    events.push(...drawOne(moves, context, localMovingMenu));
  return {
    ...plan,
    pools: [
      { name: "shared", kind: "shared-dir" },
      { name: "own", kind: "local-dir" },
    ],
    vms,
    events: [...plan.events, ...events],
  };
}
