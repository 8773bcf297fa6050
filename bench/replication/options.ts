import { flag, oneOf, parseWords, text, textOr, wholeNumber } from "../../lab/options.ts";

export const help = `Measures replication at the driver: through its port, and the same QMP sequence by hand, in turns. Needs root.

  npm run --silent bench:replication -- [OPTIONS]

  --trials N    of each of both (default 5); rows hold medians
  --size MIB    of the disk, half of which is full (default 512)
  --only PART   copy, switchover or cycles; default: one after the other
  --json        one JSON object per row on stdout: {"what","ours","raw","ratio"}; progress is on stderr either way

Copy: MiB a second, from the beginning of the job until it is confirmed that the copy has everything. Write: milliseconds of a
4 KiB write with its flush, the median, while in sync. Resync: MiB that were sent per what was written meanwhile, in whole
blocks of 64 KiB. Point: the longest write with its flush while a recovery point is taken; raw is what it may be. Memory: MiB
of the relay that nobody shares, at most, looked at while it copies and after all that; raw is what it may have.

Switchover: the longest time in which a guest that writes every 5 ms wrote nothing, seen on its disk, while it went to the
host of its copy.

Cycles: every 5 s, of a guest that writes every 5 ms, until its QEMU and its relay are killed at some moment; the age in seconds of
the oldest write that the copy then lacks. Raw: 5 s, and what the slowest of the cycles before took. The worst of all trials.`;

const parts = ["copy", "switchover", "cycles"] as const;
const nothing = "Nothing was measured.";

export type Part = (typeof parts)[number];
export type Options = {
  readonly trials: number;
  readonly sizeMiB: number;
  readonly parts: readonly Part[];
  readonly json: boolean;
};

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const values = parseWords(args, { trials: textOr("5"), size: textOr("512"), only: text, json: flag }, nothing);
  return {
    trials: wholeNumber("trials", values.trials, { min: 1 }, nothing),
    sizeMiB: wholeNumber("size", values.size, { min: 256 }, nothing),
    parts: values.only === undefined ? parts : [oneOf("only", values.only, parts, nothing)],
    json: values.json,
  };
}
