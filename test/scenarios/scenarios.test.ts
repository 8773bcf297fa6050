import { expect, test } from "vitest";
import { checkScenario, readScenario, scenarioFiles } from "../../tools/scenarios/files.ts";

// One test per story; a story that says otherwise is a change of behaviour: npm run scenarios -- --rewrite, and read it.
for (const file of scenarioFiles()) {
  const scenario = readScenario(file);
  if ("head" in scenario)
    test(`[${scenario.rules.join(" ")}] ${scenario.name}`, () => {
      expect(checkScenario(scenario).complaints.join("\n")).toBe("");
    });
  else
    test(`${file.name} can be read`, () => {
      expect(scenario).toEqual([]);
    });
}
