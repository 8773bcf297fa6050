import { LabError } from "../../lab/lab-error.ts";
import { flag, parseWords, text, textOr, wholeNumber } from "../../lab/options.ts";
import { type Fault, faults } from "./faults.ts";

export const help = `Is each write there that was acknowledged? A protected VM that writes, in the lab of layout pair: one fault at a random
moment after the other, each followed by what heals it, until its copy is in sync again. Needs root.

  npm run --silent bench:durability -- [OPTIONS]

  --trials N       faults (default 16, at most 120: then the guest's disk is full; another run goes on)
  --only FAULT     one kind alone: ${faults.join(", ")}
  --seed TEXT      of kinds and moments; each run prints its own
  --json           one JSON object on stdout; progress is on stderr either way

lost: numbers that the guest acknowledged, in any trial so far, and that its disk did not hold after one; to reach: 0.
stallMs: by kind, from the last acknowledged write before the fault to the first one after it (median and longest).
Exit code 1: a write was lost, or a VM ran twice. What goes wrong with the lab itself is an error, and no result.`;

const trialsMax = 120;

export type Options = {
  readonly trials: number;
  readonly only: Fault | null;
  readonly seed: string | undefined;
  readonly json: boolean;
};

const nothing = "Nothing was measured.";

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const values = parseWords(args, { trials: textOr("16"), only: text, seed: text, json: flag }, nothing);
  return {
    trials: wholeNumber("trials", values.trials, { min: 1, max: trialsMax }, nothing),
    only: values.only === undefined ? null : faultOf(values.only),
    seed: values.seed,
    json: values.json,
  };
}

function faultOf(name: string): Fault {
  const known = faults.find((one) => one === name);
  if (known !== undefined) return known;
  throw new LabError(`There is no fault ${name}.`, nothing, `It is one of ${faults.join(", ")}.`);
}
