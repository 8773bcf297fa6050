import { type ChildProcess, spawn } from "node:child_process";

export type RunEnd = { readonly ok: boolean; readonly seconds: number; readonly note: string };

/** What a cancelled suite has for its clean-up. */
const killAfterMs = 90_000;
let current: ChildProcess | null = null;
let stopped: NodeJS.Signals | null = null;

/** The signal that ends this lane, once one came. */
export function stopSignal(): NodeJS.Signals | null {
  return stopped;
}

/**
 * Passes SIGINT and SIGTERM on to the running step's first process, once each. The step sits in a process group of its
 * own: a Ctrl-C, which terminal and npm both deliver, would reach vitest's workers too and cut their clean-up short.
 */
export function passSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (stopped === signal) return;
      stopped = signal;
      current?.kill(signal);
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
    child.kill("SIGTERM");
    setTimeout(() => killGroup(child), killAfterMs).unref();
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

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group ended between the check and the signal: nothing is left to stop.
  }
}
