// Plays the stories of test/scenarios: npm run scenarios [-- --rewrite] [--only NAME]
import { writeFileSync } from "node:fs";
import { LabError } from "../lab/lab-error.ts";
import { flag, parseWords, runTool, text } from "../lab/options.ts";
import { withExpectation } from "../src/sim/scenario/parse.ts";
import { checkScenario, readScenario, scenarioFiles } from "./scenarios/files.ts";

const usage = `usage: npm run scenarios -- [--only NAME] [--rewrite]
  --only NAME  stories whose name holds NAME
  --rewrite    writes what was played into the files as their expectation: read the difference as a change of behaviour`;

const nothing = "Nothing was played.";

function main(): number {
  const options = { only: text, rewrite: flag, help: flag };
  const values = parseWords(process.argv.slice(2), options, nothing);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const files = scenarioFiles().filter((file) => file.name.includes(values.only ?? ""));
  if (files.length === 0)
    throw new LabError(`No scenario's name holds ${values.only}.`, nothing, "The names are those in test/scenarios.");
  let failed = 0;
  for (const file of files) {
    const scenario = readScenario(file);
    const complaints = "head" in scenario ? play(scenario, file.path, values.rewrite) : scenario;
    if (complaints.length === 0) continue;
    failed += 1;
    console.log(`${file.name}\n  ${complaints.join("\n  ")}`);
  }
  console.log(`${files.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** What remains to complain about; an expectation that was just written is none of it. */
function play(scenario: Parameters<typeof checkScenario>[0], path: string, rewrite: boolean): readonly string[] {
  const { played, complaints } = checkScenario(scenario);
  if (!rewrite) return complaints;
  if (scenario.expected !== played.trace) {
    writeFileSync(path, withExpectation(scenario, played.trace));
    console.log(`${scenario.name}: rewritten`);
  }
  return checkScenario({ ...scenario, expected: played.trace }).complaints;
}

await runTool(main);
