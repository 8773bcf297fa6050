import { execFile, spawnSync } from "node:child_process";
import { LabError } from "./lab-error.ts";

export type CommandEnd = { readonly code: number; readonly stdout: string; readonly stderr: string };

const commandTimeoutMs = 30_000;

/** Runs a program to its end; never throws for its exit code. 127: it is not installed; 124: killed after the timeout. */
export function command(
  file: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const timeout = options.timeoutMs ?? commandTimeoutMs;
    const child = execFile(
      file,
      args,
      { timeout, killSignal: "SIGKILL", maxBuffer: 1 << 24 },
      (error, stdout, stderr) => resolve({ code: exitCode(error), stdout, stderr }),
    );
    // A program that ends without reading its input breaks the pipe; its exit code tells the story.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
  });
}

function exitCode(error: (Error & { code?: unknown; killed?: boolean }) | null): number {
  if (error === null) return 0;
  if (typeof error.code === "number") return error.code;
  if (error.code === "ENOENT") return 127;
  return error.killed === true ? 124 : 1;
}

/** Like `command`, but anything else than exit 0 is a `LabError`. Returns stdout. */
export async function succeed(file: string, args: readonly string[], input?: string): Promise<string> {
  const end = await command(file, args, input === undefined ? {} : { input });
  if (end.code === 0) return end.stdout;
  throw commandError(file, args, end);
}

function commandError(file: string, args: readonly string[], end: CommandEnd): LabError {
  const said = end.stderr.trim() === "" ? "it said nothing" : end.stderr.trim();
  return new LabError(
    `\`${[file, ...args].join(" ")}\` ended with ${end.code}: ${said}`,
    "The lab cannot go on.",
    end.code === 127 ? "Install it: node tools/setup.mjs --lab" : "Look at the message above; the lab needs root.",
  );
}

/** For clean-up at the exit of the process, where nothing asynchronous runs any more. True: exit 0. */
export function commandSync(file: string, args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore", timeout: commandTimeoutMs }).status === 0;
}

/** Sleeps without a timer: only for synchronous clean-up. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Asks again every `everyMs` until `probe` gives something else than undefined; throws `late()` after `limitMs`. */
export async function until<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  limitMs: number,
  late: () => Error,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end) throw late();
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** One word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
