import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compareRun, parseExpectation } from "../../src/sim/reference/compare.ts";
import type { HaScenario } from "../../src/sim/reference/format.ts";
import { parseHaScenario } from "../../src/sim/reference/parse.ts";
import { playHaScenario } from "../../src/sim/reference/play.ts";

const folder = join(import.meta.dirname, "reference");
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));

function read(file: string): HaScenario {
  const parsed = parseHaScenario(readFileSync(join(folder, file), "utf8"));
  if (parsed.kind === "refused") throw new Error(`${file}: ${parsed.problem.path}: ${parsed.problem.problem}`);
  return parsed.scenario;
}

describe("a scenario file of our own", () => {
  for (const file of files)
    test(`${file} comes to what it expects`, () => {
      const scenario = read(file);
      expect(`${scenario.name}.json`).toBe(file);
      const expected = parseExpectation(scenario.expect);
      if (typeof expected === "string") throw new Error(`${file}: ${expected}`);
      expect(compareRun(expected, playHaScenario(scenario))).toEqual([]);
    });

  test("played twice gives the same in every byte", () => {
    const scenario = read("recovery-of-many.json");
    expect(JSON.stringify(playHaScenario(scenario))).toBe(JSON.stringify(playHaScenario(scenario)));
  });
});
