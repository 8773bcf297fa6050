import { drawPlan } from "../../src/sim/draw-plan.ts";
import type { SeedLayout } from "../../src/sim/plan.ts";
import { playScenario } from "../../src/sim/scenario/play.ts";
import { readScenario, scenarioFiles } from "../scenarios/files.ts";
import { play } from "../sim/play.ts";
import type { Trial, Verdict } from "./trial.ts";

// Runs in a copy of the tree, on the copy's sources: a trial comes in, its verdict goes out.
process.on("message", (trial: Trial) => {
  process.send?.(trial.kind === "seed" ? playSeed(trial.seed, trial.layout) : tryScenario(trial.scenario));
});

function playSeed(seed: number, layout: SeedLayout): Verdict {
  const { failure } = play(drawPlan(String(seed), layout)).report;
  if (failure === null) return { kind: "held" };
  // The product's own assertions are no checkers.
  return failure.rule === "ASSERT" ? { kind: "crashed" } : { kind: "found", by: failure.rule, text: failure.text };
}

function tryScenario(name: string): Verdict {
  const file = scenarioFiles().find((one) => one.name === name);
  const scenario = file === undefined ? undefined : readScenario(file);
  if (scenario === undefined || !("head" in scenario)) return { kind: "crashed" };
  try {
    const { violations, problems, trace } = playScenario(scenario);
    const [broken] = violations;
    if (broken !== undefined) return { kind: "found", by: broken.rule, text: broken.text };
    const [problem] = problems;
    if (problem !== undefined) return { kind: "found", by: "scenario", text: problem };
    if (trace === scenario.expected) return { kind: "held" };
    return { kind: "found", by: "scenario", text: `it went otherwise: ${newLine(scenario.expected, trace)}` };
  } catch {
    return { kind: "crashed" }; // an assertion of the product
  }
}

function newLine(expected: string | undefined, actual: string): string {
  const wanted = expected?.split("\n") ?? [];
  const got = actual.split("\n");
  return (got.find((line, i) => line !== wanted[i]) ?? "it ends early").trim();
}
