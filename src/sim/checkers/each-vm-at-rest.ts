import type { VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { World } from "../world/world.ts";
import { type Certainty, certaintyOf } from "./certainty.ts";
import type { Checker, Fail } from "./checker.ts";
import { Closure } from "./closure.ts";

const lookEveryMs = 1_000;

/** What is sure of a healed world, and its rules with all that follows from them. */
export type AtRest = { readonly world: World; readonly certainty: Certainty; readonly rules: Closure };

/** Each second from where a world is to be at rest, as long as nothing failed: `why` says what is wrong with a VM, if anything is. */
export function eachVmAtRest(
  world: World,
  fail: Fail,
  why: (known: AtRest, vm: VmId) => string | undefined,
): Omit<Checker, "rule"> {
  const certainty = certaintyOf(world);
  let said = false;
  const look = (): void => {
    if (said || world.truth.values.has(keys.disarm) || !certainty.areRulesSettled()) return;
    const known = { world, certainty, rules: new Closure(world.truth.rules.values()) };
    for (const vm of world.truth.vms.keys()) {
      const problem = why(known, vm);
      if (problem === undefined) continue;
      said = true;
      fail(problem);
    }
  };
  for (let at = world.plan.restByMs; at <= world.plan.endAtMs; at += lookEveryMs) world.scheduler.at(at, look);
  return {};
}
