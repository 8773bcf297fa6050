import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VmId } from "../../model/ids.ts";
import { isProcessOf } from "../linux/process.ts";
import {
  allReceived,
  daemonSocket,
  noteDaemon,
  type Received,
  readReceived,
  receivedFolder,
  watchList,
  watchPids,
  writeWatched,
} from "./replica-files.ts";

// S21: copies that are received are written by their storage daemon alone. Who else writes their images is noted by a process of its
// own (guard/holdfast-watch.c), which outlives agents and daemons. Nothing of a copy waits for it or rests on it: where it cannot be,
// copies are received as ever, and it is told that nobody watches.

const limits = {
  lookMs: 3_000,
  /** It says each second that it looks. */
  silentMs: 10_000,
  /** One that cannot begin is tried again, and not without a pause. */
  againMs: 10_000,
  /** By then it looks, or it has said why not. */
  beginsMs: 5_000,
  endMs: 1_000,
  pollMs: 5,
} as const;

/** The watch that is there, or a new one; nobody waits for it. */
export function watchOver(program: string, runDir: string, received: Received): void {
  const { vm } = received;
  try {
    const there = watcherOf(runDir, vm);
    if (there !== undefined && ageMs(pidFile(runDir, vm)) < limits.silentMs) return;
    if (!existsSync(program) || ageMs(logFile(runDir, vm)) < limits.againMs) return;
    // One that hangs sees nothing.
    if (there !== undefined) signal(there, "SIGKILL");
    begin(program, runDir, received);
  } catch {
    // `unwatchedCopies` tells it.
  }
}

function begin(program: string, runDir: string, received: Received): void {
  const { vm, pid } = received;
  writeWatched(runDir, received);
  const pids = watchPids(receivedFolder(runDir, vm));
  // Also that of a version that noted none; of none it is a line that says nothing.
  if (
    !textOf(pids)
      .split("\n")
      .includes(String(pid ?? 0))
  )
    noteDaemon(daemonSocket(runDir, vm), pid ?? 0);
  rmSync(pidFile(runDir, vm), { force: true });
  const log = openSync(logFile(runDir, vm), "w", 0o600);
  const child = spawn(program, [watchList(runDir, vm), pids], {
    detached: true,
    stdio: ["ignore", "ignore", log],
    cwd: "/",
  });
  closeSync(log);
  child.on("error", (error) => sayWhy(runDir, vm, String(error)));
  child.unref();
}

/** Copies may be received no more by now: then nobody asks. */
function sayWhy(runDir: string, vm: VmId, why: string): void {
  try {
    writeFileSync(logFile(runDir, vm), why);
  } catch {
    // As above.
  }
}

/** One that was killed is there again after a while; in turn, so that none begins while the end of another is waited for. */
export function keepWatching(
  program: string | undefined,
  runDir: string,
  inTurn: (vm: VmId, act: () => Promise<void>) => Promise<void>,
): () => void {
  if (program === undefined) return () => undefined;
  const asked = new Set<VmId>();
  const lookAfter = (vm: VmId): void => {
    if (asked.has(vm)) return;
    asked.add(vm);
    const act = async (): Promise<void> => {
      const received = readReceived(runDir, vm);
      if (received !== undefined && received.pid !== null) watchOver(program, runDir, received);
    };
    void inTurn(vm, act)
      .catch(() => undefined)
      .finally(() => asked.delete(vm));
  };
  const looking = setInterval(() => {
    for (const { vm } of receivedNow(runDir)) lookAfter(vm);
  }, limits.lookMs);
  looking.unref();
  return () => clearInterval(looking);
}

/** Nobody writes the images any more: it tells what it saw, and ends. A copy waits for that for a moment at most. */
export async function endWatch(runDir: string, vm: VmId): Promise<void> {
  for (const signals of [["SIGCONT", "SIGTERM"], ["SIGKILL"]] as const) {
    const pid = watcherOf(runDir, vm);
    if (pid === undefined) return;
    for (const one of signals) signal(pid, one);
    for (const until = performance.now() + limits.endMs; performance.now() < until; await sleep(limits.pollMs))
      if (watcherOf(runDir, vm) === undefined) return;
  }
}

/** Nobody sees who else writes them, and why. */
export type Unwatched = { readonly vm: VmId; readonly why: string };
export function unwatchedCopies(program: string, runDir: string): readonly Unwatched[] {
  return receivedNow(runDir).flatMap(({ vm }): Unwatched[] => {
    const isWatched = watcherOf(runDir, vm) !== undefined && ageMs(pidFile(runDir, vm)) < limits.silentMs;
    if (isWatched) return [];
    if (!existsSync(program)) return [{ vm, why: `${program} is not there` }];
    const why = textOf(logFile(runDir, vm)).trim();
    if (why === "" && ageMs(logFile(runDir, vm)) < limits.beginsMs) return [];
    return [{ vm, why: why === "" ? "it was ended, or stands still" : why }];
  });
}

/** None while they cannot be read: somebody is removing them. */
function receivedNow(runDir: string): readonly Received[] {
  try {
    return allReceived(runDir).filter(({ pid }) => pid !== null);
  } catch {
    return [];
  }
}

/** Undefined: none is there. */
function watcherOf(runDir: string, vm: VmId): number | undefined {
  const pid = Number(textOf(pidFile(runDir, vm)));
  return Number.isSafeInteger(pid) && pid > 0 && isProcessOf(pid, watchList(runDir, vm)) ? pid : undefined;
}

function pidFile(runDir: string, vm: VmId): string {
  return `${watchList(runDir, vm)}.pid`;
}

/** Begun anew by each that begins: its time tells when that was, as long as it says nothing. */
function logFile(runDir: string, vm: VmId): string {
  return join(receivedFolder(runDir, vm), "watch.log");
}

/** Of what is not there, or cannot be asked: for ever. */
function ageMs(path: string): number {
  try {
    return Math.abs(Date.now() - statSync(path).mtimeMs);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Nothing where it is not there, or not any more. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It came to its end by itself.
  }
}
