import { spawn } from "node:child_process";
import type { z } from "zod";
import { cli } from "../../src/cli/index.ts";

export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };
type Running = {
  readonly ended: Promise<Ended>;
  readonly out: () => string;
  readonly err: () => string;
  readonly stop: () => void;
};
export type CliEnv = { readonly HOLDFAST_SOCKET?: string; readonly HOLDFAST_LAB?: string };

/** The command in this process: same code, no start-up. */
export function begin(line: readonly string[], env: CliEnv): Running {
  const said = { out: "", err: "" };
  const stop = new AbortController();
  const ended = cli(line, {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    tty: false,
    env,
    stop: stop.signal,
  }).then((code) => ({ code, ...said }));
  return { ended, out: () => said.out, err: () => said.err, stop: () => stop.abort() };
}

/** The real thing: wrapper, process, exit code. */
export function spawned(path: string, line: readonly string[], env: CliEnv): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { PATH } = process.env;
    const child = spawn(path, line, { env: { PATH, ...env }, cwd: "/" });
    const said = { out: "", err: "" };
    child.stdout.on("data", (piece) => {
      said.out += piece;
    });
    child.stderr.on("data", (piece) => {
      said.err += piece;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...said }));
  });
}

/** What a procedure of the contract answers, and so what its command prints with `--json`. */
export function outputOf(procedure: { readonly "~orpc": { readonly outputSchema?: unknown } }): z.ZodType {
  return procedure["~orpc"].outputSchema as z.ZodType;
}
