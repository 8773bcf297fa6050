import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Ends the set-up with what every message to a person holds. */
export class SetupError extends Error {
  /** @param {string} cause @param {string} effect @param {string} remedy */
  constructor(cause, effect, remedy) {
    super(`${cause}\n  effect: ${effect}\n  remedy: ${remedy}`);
  }
}

let quiet = false;
/** @param {boolean} value */
export function setQuiet(value) {
  quiet = value;
}

/** Progress goes to stderr: a command's own output (`--json`) stays clean. @param {string} line */
export function say(line) {
  if (!quiet) process.stderr.write(`setup: ${line}\n`);
}

/**
 * Runs a command and returns its output; never throws for how the command ended.
 * @param {string} command @param {readonly string[]} args @param {{env?: NodeJS.ProcessEnv, cwd?: string}} [options]
 */
export function run(command, args, options = {}) {
  const end = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  const output = `${end.stdout ?? ""}${end.stderr ?? ""}`;
  return {
    ok: end.status === 0,
    missing: end.error?.code === "ENOENT",
    status: end.status,
    stdout: end.stdout ?? "",
    output,
  };
}

/** The last lines of a tool's output, indented: enough to see why. @param {string} output */
export function tail(output) {
  const lines = output.trim().split("\n").slice(-8);
  return lines.map((line) => `    ${line}`).join("\n");
}
