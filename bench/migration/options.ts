import { parseArgs } from "node:util";
import { LabError } from "../../lab/lab-error.ts";

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

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const values = parseWords(args);
  return {
    trials: wholeNumber("trials", values.trials, 1),
    memoryMiB: wholeNumber("memory", values.memory, 80),
    tls: !values["without-tls"],
    json: values.json,
  };
}

function parseWords(args: readonly string[]) {
  const flag = { type: "boolean", default: false } as const;
  const options = {
    trials: { type: "string", default: "5" },
    memory: { type: "string", default: "80" },
    "without-tls": flag,
    json: flag,
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw wrongWords(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) throw wrongWords(`--${name} takes a whole number from ${least} up.`);
  return number;
}

function wrongWords(cause: string): LabError {
  return new LabError(cause, "Nothing was measured.", "See --help.");
}
