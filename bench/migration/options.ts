import { flag, parseWords, textOr, wholeNumber } from "../../lab/options.ts";

export const help = `Measures live moves at the driver: through its port, and the same QMP sequence by hand, in turns. Needs root.

  npm run --silent bench:migration -- [OPTIONS]

  --trials N       of each (default 5); the row holds medians
  --memory MIB     of the guests (default 80)
  --without-tls    as over a direct cable
  --json           one JSON object per line on stdout; progress is on stderr either way

Total: from the order to start the target's QEMU until the guest executes there. Downtime: the longest time in which a guest
that writes every 5 ms wrote nothing, seen on its disk.`;

export type Options = {
  readonly trials: number;
  readonly memoryMiB: number;
  readonly tls: boolean;
  readonly json: boolean;
};

const nothing = "Nothing was measured.";

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const options = { trials: textOr("5"), memory: textOr("80"), "without-tls": flag, json: flag };
  const values = parseWords(args, options, nothing);
  return {
    trials: wholeNumber("trials", values.trials, { min: 1 }, nothing),
    memoryMiB: wholeNumber("memory", values.memory, { min: 80 }, nothing),
    tls: !values["without-tls"],
    json: values.json,
  };
}
