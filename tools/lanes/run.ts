import { type ChildProcess, spawn } from "node:child_process";

export type RunEnd = { readonly ok: boolean; readonly seconds: number; readonly note: string };

const killAfterMs = 30_000;
let current: ChildProcess | null = null;
let stopped: NodeJS.Signals | null = null;

/** The signal that ends this lane, once one came. */
export function stopSignal(): NodeJS.Signals | null {
  return stopped;
}

/**
 * Passes SIGINT and SIGTERM on to the running step, once each: the step sits in a process group of its own, so that a
 * Ctrl-C (which terminal and npm both deliver) does not reach a test run twice and cut its clean-up short.
 */
export function passSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (stopped === signal) return;
      stopped = signal;
      signalGroup(signal);
    });
}

/** Runs one step with its output streamed through. Never rejects. */
export function runStep(command: readonly string[], env: NodeJS.ProcessEnv, limitMinutes: number): Promise<RunEnd> {
  const begun = performance.now();
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], env, detached: true });
  current = child;
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    signalGroup("SIGTERM");
    setTimeout(() => signalGroup("SIGKILL"), killAfterMs).unref();
  }, limitMinutes * 60_000);
  return new Promise((resolve) => {
    const end = (ok: boolean, note: string) => {
      clearTimeout(limit);
      current = null;
      resolve({ ok, seconds: (performance.now() - begun) / 1000, note: late ? `over ${limitMinutes} min` : note });
    };
    child.once("error", (error) => end(false, error.message));
    child.once("close", (code, signal) => end(code === 0 && !late, code === 0 ? "" : `ended with ${signal ?? code}`));
  });
}

function signalGroup(signal: NodeJS.Signals): void {
  if (current?.pid === undefined) return;
  try {
    process.kill(-current.pid, signal);
  } catch {
    // The group ended between the check and the signal: nothing is left to stop.
  }
}
