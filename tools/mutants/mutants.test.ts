import { expect, test } from "vitest";
import { bySuite } from "./chosen.ts";
import { applyEdit, whyNotApplied } from "./mutant.ts";
import { unplantable } from "./plant.ts";
import { planted } from "./planted.ts";
import { nameOf, trialOf } from "./trial.ts";
import { readFirstTrials, trialsFor } from "./trials.ts";

const all = [...planted, ...Object.values(bySuite).flat()];

test("every bug can be planted in the sources as they are", () => {
  expect(unplantable(all)).toEqual([]);
});

test("there are enough of them, each with a name of its own", () => {
  expect(planted.length).toBeGreaterThanOrEqual(90);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
});

test("what is there twice, or not at all, does not apply", () => {
  const edit = { file: "f.ts", find: "a + b", replace: "a - b" };
  expect(whyNotApplied("x = a + b;", edit)).toBeUndefined();
  expect(applyEdit("x = a + b;", edit)).toBe("x = a - b;");
  expect(whyNotApplied("x = a + b; y = a + b;", edit)).toContain("has 2 of");
  expect(whyNotApplied("x = 1;", edit)).toContain("has 0 of");
  expect(whyNotApplied("x = a + b;", { ...edit, replace: edit.find })).toContain("nothing is changed");
});

test("each is tried with what found it last time, with the seeds near it, and with every scenario", () => {
  for (const [id, name] of Object.entries(readFirstTrials())) {
    expect(planted.some((mutant) => mutant.id === id)).toBe(true);
    const trial = trialOf(name);
    expect(trial === undefined ? undefined : nameOf(trial)).toBe(name);
  }
  const [mutant] = planted;
  if (mutant === undefined) throw new Error("no mutants");
  const trials = trialsFor(mutant, 20);
  const names = trials.map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(trials.filter((trial) => trial.kind === "scenario").length).toBeGreaterThanOrEqual(40);
  expect(trials.filter((trial) => trial.kind === "seed").length).toBeLessThanOrEqual(21);
});
