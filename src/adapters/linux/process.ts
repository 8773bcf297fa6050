import { readdirSync, readFileSync } from "node:fs";

/** Of `/proc/PID/stat`: the kernel is taking the process down. */
const exitingFlag = 0x4;
const gone: ReadonlySet<string> = new Set(["Z", "X"]);

/**
 * S19: something of the process whose command line names this is left, and may have its files open. The command line alone does
 * not tell: it is empty from the moment on when the first thread is gone, while others that a kill met in the midst of a write
 * are still at it. Of a number that another process bears by now: no, but while that one comes to its end.
 */
export function isProcessOf(pid: number, needle: string): boolean {
  const commandLine = readText(`/proc/${pid}/cmdline`);
  if (commandLine !== "") return commandLine.includes(needle);
  return isExiting(pid) && !isOver(pid);
}

/** Processes that name this, and are not coming to their end yet. */
export function processesOf(needle: string): readonly number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/u.test(name));
  return pids.map(Number).filter((pid) => pid !== process.pid && readText(`/proc/${pid}/cmdline`).includes(needle));
}

function isExiting(pid: number): boolean {
  const flags = Number(statOf(`/proc/${pid}/stat`)[6] ?? 0);
  return (flags & exitingFlag) !== 0;
}

/** No thread of it executes or waits any more: what it had open is closed. */
function isOver(pid: number): boolean {
  return threadsOf(pid).every((thread) => gone.has(statOf(`/proc/${pid}/task/${thread}/stat`)[0] ?? "X"));
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** What stands behind the name, which may hold anything: state, parent, group, session, terminal, its group, flags, … */
function statOf(path: string): readonly string[] {
  const text = readText(path);
  const behind = text.slice(text.lastIndexOf(")") + 2);
  return behind === "" ? [] : behind.split(" ");
}

/** It may have come to its end meanwhile. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
