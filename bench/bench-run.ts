import { describeError } from "../lab/lab-error.ts";
import { onSignals } from "../lab/options.ts";

// What every benchmark that opens labs does alike: it cleans up once, whatever ends it, and prints rows.

/** What was opened, undone backwards. */
export const closers: (() => Promise<void> | void)[] = [];
let ending = false;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  for (const close of closers.splice(0).reverse())
    await Promise.resolve(close()).catch((error: unknown) => say(describeError(error)));
  process.exit(code);
}

function fail(error: unknown): void {
  say(describeError(error));
  void end(1);
}

/** Figures of one row, for people or as one line of JSON. */
export function printRow(row: object, json: boolean): void {
  const text = Object.entries(row).map(
    ([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  process.stdout.write(`${json ? JSON.stringify(row) : text.join("  ")}\n`);
}

/** `bench`: from the words of the command line to the exit code. */
export async function runAsCommand(help: string, bench: (args: string[]) => Promise<number>): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${help}\n`);
    return;
  }
  onSignals((code) => void end(code));
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.stdout.on("error", () => void end(1));
  try {
    await end(await bench(args));
  } catch (error) {
    fail(error);
  }
}
