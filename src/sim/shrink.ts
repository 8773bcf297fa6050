import type { WorldPlan } from "./plan.ts";

/**
 * A smaller plan that still fails: first whole stretches of events, then single ones, then VMs are left out. `fails`
 * plays a plan and tells whether it breaks the same rule; each call costs one run, `runsMax` bounds them.
 */
export function shrink(plan: WorldPlan, fails: (plan: WorldPlan) => boolean, runsMax: number): WorldPlan {
  let best = plan;
  let runs = 0;
  const tries = (candidate: WorldPlan): boolean => {
    if (runs >= runsMax) return false;
    runs += 1;
    if (!fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.events.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.events.length; ) {
      const events = [...best.events.slice(0, from), ...best.events.slice(from + size)];
      if (!tries({ ...best, events })) from += size;
    }
  }
  for (const vm of [...best.vms]) {
    if (best.vms.length > 1) tries(without(best, vm.name));
  }
  return best;
}

function without(plan: WorldPlan, vm: string): WorldPlan {
  const groups = plan.groups?.map((group) => ({ ...group, vms: group.vms.filter((name) => name !== vm) }));
  const left = groups?.filter((group) => group.vms.length > 0);
  const vms = plan.vms.filter(({ name }) => name !== vm);
  return { ...plan, vms, ...(left === undefined ? {} : { groups: left }) };
}
