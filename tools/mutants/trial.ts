import type { WorldPlan } from "../../src/sim/plan.ts";

/** One run of the simulator: a seed's own plan, or a recorded one (which names its seed as well). */
export type Trial = { readonly seed: string; readonly plan?: WorldPlan };

export function nameOf(trial: Trial): string {
  return trial.plan === undefined ? `seed ${trial.seed}` : `recorded plan of seed ${trial.seed}`;
}
