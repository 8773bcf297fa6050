import { drawPlan } from "../../src/sim/draw-plan.ts";
import type { SeedLayout, WorldPlan } from "../../src/sim/plan.ts";
import { reportOf, type SeedReport } from "../../src/sim/report.ts";
import { Run } from "../../src/sim/run.ts";

/** Plays a plan to its end or its first failure; an assertion of the product that breaks is a failure like any other. */
export function play(plan: WorldPlan, keepStory = false): { readonly run: Run; readonly report: SeedReport } {
  const run = new Run(plan, keepStory);
  try {
    run.toEnd();
  } catch (error) {
    const text =
      error instanceof Error ? `${error.message} ${error.stack?.split("\n")[2]?.trim() ?? ""}` : String(error);
    return { run, report: reportOf(run, text) };
  }
  return { run, report: reportOf(run, null) };
}

export function playSeed(seed: number, layout: SeedLayout = "many"): SeedReport {
  return play(drawPlan(String(seed), layout)).report;
}
