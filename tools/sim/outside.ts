import { checkScenario, readScenario, scenarioFiles } from "../scenarios/files.ts";

/** Plays the stories that go beyond the guarantee: what is lost in each, and whether it went as its file says. True: all did. */
export function playOutside(json: boolean): boolean {
  let stories = 0;
  let lost = 0;
  let failed = 0;
  for (const file of scenarioFiles()) {
    const scenario = readScenario(file);
    if (!("head" in scenario) || scenario.cluster.outside.length === 0) continue;
    const { played, complaints } = checkScenario(scenario);
    const losses = played.losses.map(({ rule, text }) => ({ rule, text }));
    stories += 1;
    lost += losses.length;
    if (complaints.length > 0) failed += 1;
    const row = { story: file.name, outside: scenario.cluster.outside, why: scenario.why, lost: losses, complaints };
    console.log(json ? JSON.stringify(row) : tell(row));
  }
  console.log(JSON.stringify({ stories, lost, failed }));
  // None at all would be a lane that plays nothing.
  return stories > 0 && failed === 0;
}

function tell(row: {
  readonly story: string;
  readonly why: string;
  readonly lost: readonly { readonly rule: string; readonly text: string }[];
  readonly complaints: readonly string[];
}): string {
  const lines = row.lost.map(({ rule, text }) => `  lost  ${rule.padEnd(4)} ${text}`);
  return [row.story, `  ${row.why}`, ...lines, ...row.complaints.map((text) => `  NOT AS EXPECTED: ${text}`), ""].join(
    "\n",
  );
}
