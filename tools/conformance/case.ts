import { readFileSync, writeFileSync } from "node:fs";
import { compareRun, type Difference, parseExpectation } from "../../src/sim/reference/compare.ts";
import { parseHaScenario } from "../../src/sim/reference/parse.ts";
import { playHaScenario } from "../../src/sim/reference/play.ts";

export type Played = { readonly name: string; readonly differences: readonly Difference[] };

/** Plays one file and holds the run against what the file expects. Throws where the file is none of this format. */
export function playCase(path: string): Played {
  const parsed = parseHaScenario(readFileSync(path, "utf8"));
  if (parsed.kind === "refused") throw new Error(`${path}: ${parsed.problem.path}: ${parsed.problem.problem}`);
  const { scenario } = parsed;
  const expected = parseExpectation(scenario.expect);
  if (typeof expected === "string") throw new Error(`${path}: ${expected}`);
  return { name: scenario.name, differences: compareRun(expected, playHaScenario(scenario)) };
}

/** Writes what a file's run came to into it as what is expected of it. */
export function rewriteCase(path: string): void {
  const text = readFileSync(path, "utf8");
  const parsed = parseHaScenario(text);
  if (parsed.kind === "refused") throw new Error(`${path}: ${parsed.problem.path}: ${parsed.problem.problem}`);
  const { final, invariants, outcome } = playHaScenario(parsed.scenario);
  const expect = {
    final: { services: final.services, nodes: final.nodes },
    invariants,
    outcome: {
      fencedNodes: outcome.fencedNodes,
      watchdogResetNodes: outcome.watchdogResetNodes,
      servicePaths: outcome.servicePaths,
      actionPaths: outcome.actionPaths,
    },
  };
  writeFileSync(path, `${JSON.stringify({ ...JSON.parse(text), expect }, null, 2)}\n`);
}
