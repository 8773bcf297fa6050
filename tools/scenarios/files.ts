import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseScenario } from "../../src/sim/scenario/parse.ts";
import { type Played, playScenario } from "../../src/sim/scenario/play.ts";
import type { Scenario } from "../../src/sim/scenario/scenario.ts";

const folder = join(import.meta.dirname, "..", "..", "test", "scenarios");
const ending = ".scenario";

export type ScenarioFile = { readonly name: string; readonly path: string };

/** All stories, by name. None at all is an error: an empty folder must not pass. */
export function scenarioFiles(): readonly ScenarioFile[] {
  const names = readdirSync(folder).filter((file) => file.endsWith(ending));
  if (names.length === 0) throw new Error(`Cannot play any scenario: ${folder} holds none`);
  return names.sort().map((file) => ({ name: file.slice(0, -ending.length), path: join(folder, file) }));
}

/** The story of a file, or what is wrong with it, each line as `FILE:LINE: …`. */
export function readScenario(file: ScenarioFile): Scenario | readonly string[] {
  const parsed = parseScenario(file.name, readFileSync(file.path, "utf8"));
  if (parsed.kind === "scenario") return parsed.scenario;
  return parsed.problems.map(({ line, message }) => `test/scenarios/${file.name}${ending}:${line}: ${message}`);
}

export type Checked = { readonly played: Played; readonly complaints: readonly string[] };

/** Plays a story twice, the second time on shuffled input, and says everything that is not as it should be. */
export function checkScenario(scenario: Scenario): Checked {
  const played = playScenario(scenario);
  const complaints = [...complaintsOf(played)];
  if (scenario.cluster.outside.length > 0 && played.losses.length === 0)
    complaints.push("nothing is lost in it: it is not outside the guarantee");
  const shuffled = playScenario(scenario, scenario.name);
  complaints.push(...complaintsOf(shuffled).map((text) => `on shuffled input: ${text}`));
  if (shuffled.trace !== played.trace)
    complaints.push(`the order of input matters:\n${firstDifference(played.trace, shuffled.trace)}`);
  if (scenario.expected === undefined)
    complaints.push("it expects nothing: npm run scenarios -- --rewrite, then read what it wrote");
  else if (scenario.expected !== played.trace)
    complaints.push(`it went otherwise:\n${firstDifference(scenario.expected, played.trace)}`);
  return { played, complaints };
}

function complaintsOf({ violations, problems }: Played): string[] {
  return [...problems, ...violations.map(({ rule, text, atMs }) => `${rule} broken at ${atMs} ms: ${text}`)];
}

/** The first line that differs, with those before it. */
function firstDifference(expected: string, actual: string): string {
  const [wanted, got] = [expected.split("\n"), actual.split("\n")];
  const at = wanted.findIndex((line, i) => line !== got[i]);
  const first = at < 0 ? wanted.length : at;
  const before = wanted.slice(Math.max(0, first - 3), first).map((line) => `    ${line}`);
  return [...before, `  - ${wanted[first] ?? "(end)"}`, `  + ${got[first] ?? "(end)"}`].join("\n");
}
