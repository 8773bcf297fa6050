import { describe, expect, test } from "vitest";
import { LabError } from "./lab-error.ts";
import { flag, oneOf, parseWords, textOr, wholeNumber } from "./options.ts";

const effect = "Nothing was played.";
const options = { json: flag, seed: textOr("1") };

function refusal(work: () => unknown): LabError {
  try {
    work();
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

describe("Options of lab, bench and tools", () => {
  test("known ones are read, and defaults stand for what is missing", () => {
    expect(parseWords(["--json", "--seed", "7"], options, effect)).toEqual({ json: true, seed: "7" });
    expect(parseWords([], options, effect)).toEqual({ json: false, seed: "1" });
  });

  test.each([
    [["--foo"], "Unknown option '--foo'."],
    [["--seed"], "Option '--seed <value>' argument missing."],
    [["--seed", "-3"], "What follows --seed begins with a dash and is no value of it."],
    [["--json=yes"], "Option '--json' does not take an argument."],
    [["--seed", "7", "--json", "--seed=8"], "--seed is there more than once."],
    [["more"], "Unexpected argument 'more'. This command does not take positional arguments."],
  ])("%j is refused in one sentence, with effect and remedy", (args, cause) => {
    const told = refusal(() => parseWords(args, options, effect));
    expect([told.message, told.effect, told.remedy]).toEqual([cause, effect, "See --help."]);
  });

  test("numbers are digits within their range, words are of the list", () => {
    expect(wholeNumber("seeds", "20", { min: 1 }, effect)).toBe(20);
    for (const text of ["0", "-3", "1e3", "", "x", "99999999999999999999"])
      expect(refusal(() => wholeNumber("seeds", text, { min: 1 }, effect)).message).toBe(
        `--seeds ${text} is not a whole number from 1 on.`,
      );
    expect(refusal(() => oneOf("accel", "xen", ["kvm", "tcg"], effect)).message).toBe(
      "--accel xen is not one of: kvm, tcg.",
    );
  });
});
