import { parseArgs } from "node:util";
import { requestFault } from "./control.ts";
import { type FaultRequest, faultMenu, faultNames, usage } from "./fault-menu.ts";
import { describeError, LabError } from "./lab-error.ts";

/** `fault NAME [HOST] [--process P] [--link L] [--rate R] [--run ID]` in any terminal. Prints; returns the exit code. */
export async function faultCommand(args: readonly string[]): Promise<number> {
  if (args.length === 0 || args.includes("--help")) {
    process.stdout.write(`${faultNames.map((name) => `${usage(name)}\n    ${faultMenu[name].help}`).join("\n")}\n`);
    return 0;
  }
  try {
    const { request, run } = parseFault(args);
    process.stdout.write(`${await requestFault(request, run)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    return 1;
  }
}

/** Throws `LabError` for words it does not know; whether the names exist is the lab's to say. */
export function parseFault(args: readonly string[]): {
  readonly request: FaultRequest;
  readonly run: string | undefined;
} {
  const { values, positionals } = words(args);
  const [fault = "", host, ...more] = positionals;
  if (more.length > 0)
    throw new LabError(`These words are too many: ${more.join(" ")}.`, "Nothing was done.", "See: lab fault --help");
  const { process: program, link, rate, run } = values;
  return { request: { fault, host, process: program, link, rate }, run };
}

function words(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { process: text, link: text, rate: text, run: text },
    });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new LabError(cause, "Nothing was done.", "See: lab fault --help");
  }
}
