import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { describeError, LabError } from "./lab-error.ts";

// What all programs of lab, bench and tools have in common at their beginning and end. The product's own command line is
// src/cli.

/** Kinds of options, for `parseWords`. */
export const flag = { type: "boolean", default: false } as const;
export const text = { type: "string" } as const;
export function textOr(otherwise: string) {
  return { type: "string", default: otherwise } as const;
}

type Values<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Options }>
>["values"];

/** Reads `--name value` options. `effect` says what was not done. Throws `LabError` for what it does not know. */
export function parseWords<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  effect: string,
): Values<Options> {
  const { values, tokens } = parsed(args, options, effect);
  const named = tokens.flatMap((token) => (token.kind === "option" && token.value !== undefined ? [token.name] : []));
  const twice = named.find((name, i) => named.indexOf(name) !== i && options[name]?.multiple !== true);
  if (twice !== undefined) throw wrongWords(`--${twice} is there more than once.`, effect);
  return values;
}

function parsed<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  effect: string,
) {
  try {
    return parseArgs({ args: [...args], options, tokens: true });
  } catch (error) {
    throw wrongWords(causeOf(error), effect);
  }
}

/** `--seed -3` reads as two options to Node, which then explains shells; whoever typed it meant a value. */
function causeOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, option] = /^Option '(--[\w-]+)[^']*' argument is ambiguous/u.exec(message) ?? [];
  if (option !== undefined) return `What follows ${option} begins with a dash and is no value of it.`;
  const [first = message] = message.split("\n");
  const [, sentence = first] = /^(.*?\.)(?: To specify .*)?$/u.exec(first) ?? [];
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}

/** Takes digits alone, so that neither "1e3" nor "" counts. */
export function wholeNumber(
  name: string,
  text: string,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
  effect: string,
): number {
  const number = Number(text);
  if (/^\d+$/u.test(text) && number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw wrongWords(`--${name} ${text} is not a whole number ${range}.`, effect);
}

export function oneOf<const T extends string>(name: string, text: string, choices: readonly T[], effect: string): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw wrongWords(`--${name} ${text} is not one of: ${choices.join(", ")}.`, effect);
}

export function wrongWords(cause: string, effect: string): LabError {
  return new LabError(cause, effect, "See --help.");
}

/** Runs a tool: what a person did wrong is said in three lines and ends with 2; anything else is a mistake of ours. */
export async function runTool(work: () => Promise<number> | number): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 2;
  }
}

/** Calls `end` with the exit code that a shell expects after the signal; each further signal calls it again. */
export function onSignals(end: (code: number) => void): void {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    process.on(signal, () => end(code));
}
