import { expect, test } from "vitest";
import { parseScenario, withExpectation } from "./parse.ts";
import { playScenario } from "./play.ts";

const good = `# Why it is told.
# rules: S1 S8
# lab: yes
cluster hosts=h1,h2,h3 pool=shared:shared-dir vm=web@h1 vm=db,memory=200,restarts=0,stopped
at 5s cut h1 out for 1.5s
at 10s heal
run until=1min
----
expected
`;

function problems(text: string, name = "topic-situation-outcome"): string[] {
  const parsed = parseScenario(name, text);
  return parsed.kind === "scenario" ? [] : parsed.problems.map(({ line, message }) => `${line}: ${message}`);
}

test("a story is read with everything that it says", () => {
  const parsed = parseScenario("topic-situation-outcome", good);
  if (parsed.kind !== "scenario") throw new Error(JSON.stringify(parsed.problems));
  const { scenario } = parsed;
  expect(scenario).toMatchObject({ why: "Why it is told.", rules: ["S1", "S8"], lab: true, untilMs: 60_000 });
  expect(scenario.steps[0]).toEqual({ line: 5, atMs: 5_000, words: ["cut", "h1", "out"], forMs: 1_500 });
  expect(scenario.cluster.vms[1]).toMatchObject({ name: "db", host: undefined, memoryMiB: 200, requested: "stopped" });
  expect(scenario.expected).toBe("expected\n");
  expect(withExpectation(scenario, scenario.expected ?? "")).toBe(good);
});

const bad: readonly (readonly [from: string, to: string, problem: RegExp])[] = [
  ["# Why it is told.\n", "", /^1: why the story is told/u],
  ["# rules: S1 S8", "# rules: S1, S8", /^2: rules are named/u],
  ["# rules: S1 S8\n", "", /^1: there is no line `# rules/u],
  ["# lab: yes", "# lab: maybe", /^3: only/u],
  ["hosts=h1,h2,h3", "hosts=a,b,c", /^4: hosts are called/u],
  ["vm=web@h1", "vm=web@h9", /^4: there is no host h9/u],
  ["restarts=0", "restarts=few", /^4: a VM has no restarts=few/u],
  ["shared:shared-dir", "shared:floppy", /^4: a pool is/u],
  ["vm=web@h1", "colour=red", /^4: a cluster has no colour/u],
  ["at 5s", "at noon", /^5: noon is no moment/u],
  ["cut h1 out", "cut h7 out", /^5: there is no host h7/u],
  ["cut h1 out", "insult h1", /^5: nobody knows how to: insult h1/u],
  ["for 1.5s", "for ages", /^5: ages is no length/u],
  ["at 10s", "at 4s", /^6: it is earlier/u],
  ["run until=1min\n", "", /^6: the story has no end/u],
  ["until=1min", "until=9s", /^7: it ends before/u],
  ["at 10s heal", "afterwards heal", /^6: a line begins with/u],
];

for (const [from, to, problem] of bad)
  test(`a story with ${JSON.stringify(to)} instead of ${JSON.stringify(from)} is not read`, () => {
    expect(good).toContain(from);
    expect(problems(good.replace(from, to)).join("\n")).toMatch(problem);
  });

test("a name says topic, situation and outcome", () => {
  expect(problems(good, "cut")).toEqual(["1: a file is named topic-situation-outcome, not cut"]);
});

test("a cluster that is not as its line says is told, not played silently", () => {
  const full = good.replace("vm=web@h1", "memory=100 vm=web,memory=200");
  const parsed = parseScenario("topic-situation-outcome", full);
  if (parsed.kind !== "scenario") throw new Error(JSON.stringify(parsed.problems));
  expect(playScenario(parsed.scenario).problems).toEqual(["web runs on no host when the story begins"]);
});
