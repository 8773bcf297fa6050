import { expect, test } from "vitest";
import { LabError } from "../../lab/lab-error.ts";
import { bySuite, chosen, type SuiteName, suiteNames } from "./chosen.ts";
import { planted } from "./planted.ts";

function refused(suite: SuiteName | undefined, only: string): LabError {
  try {
    chosen(suite, only, "No bug was planted.");
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
  throw new Error(`${only} was taken`);
}

const idOf = (all: readonly { readonly id: string }[]): string => all[0]?.id ?? "none";

test("bugs are chosen by their ids, of the suite that was asked for", () => {
  for (const suite of [undefined, ...suiteNames]) {
    const all = suite === undefined ? planted : bySuite[suite];
    expect(chosen(suite, undefined, "")).toEqual(all);
    expect(chosen(suite, idOf(all), "").map(({ id }) => id)).toEqual([idOf(all)]);
  }
});

test("a bug of another suite is named with the option that plays it; it is there", () => {
  for (const suite of suiteNames) {
    const id = idOf(bySuite[suite]);
    const { message, remedy } = refused(undefined, `${idOf(planted)},${id}`);
    expect(message).toBe(`Without an option no bug ${id} is planted.`);
    expect(remedy).toBe(`Another run does: \`mutants --${suite}\` plays ${id}.`);
  }
  expect(refused("guard", idOf(planted))).toMatchObject({
    message: `With --guard no bug ${idOf(planted)} is planted.`,
    remedy: `Another run does: \`mutants\` without an option plays ${idOf(planted)}.`,
  });
});

test("one that is in no suite is said not to be there, also beside others", () => {
  expect(refused(undefined, `moon,${idOf(bySuite.guard)}`)).toMatchObject({
    message: "There is no mutant moon.",
    effect: "No bug was planted.",
  });
});
