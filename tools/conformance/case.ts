import { readFileSync } from "node:fs";
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
