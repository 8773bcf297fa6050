import { readFileSync } from "node:fs";

/** A process that is looked after: it must say something again and again. */
export interface KeptAgent {
  heard(): void;
  /** Nobody looks any more; the process is left alone. */
  release(): void;
}

/**
 * S13: an agent that hangs (stopped, blocked) is ended, so that its supervisor starts a new one, which takes up what
 * runs; no VM notices. The time in which this process itself stood still does not
 * count: a host that was frozen as a whole must not end its agents when it goes on.
 */
export function keepAgent(pid: number, hungMs: number, log: (line: string) => void): KeptAgent {
  const born = startOf(pid);
  const everyMs = hungMs / 10;
  let lastLook = 0;
  let silentMs = 0;
  let looking: NodeJS.Timeout | undefined;
  const release = (): void => {
    clearTimeout(waiting);
    clearInterval(looking);
  };
  const look = (): void => {
    const now = performance.now();
    silentMs += Math.min(now - lastLook, everyMs * 1.5);
    lastLook = now;
    if (silentMs <= hungMs) return;
    release();
    // Not a later process that got the same number.
    if (born === undefined || startOf(pid) !== born) return;
    log(`The agent (pid ${pid}) has said nothing for ${Math.round(silentMs)} ms: it is ended, to be started anew.`);
    end(pid);
  };
  // Nothing wakes this process as long as the agent speaks in time.
  const waitMs = hungMs / 2;
  let begun = performance.now();
  const waiting = setTimeout(() => {
    const now = performance.now();
    lastLook = now;
    silentMs = Math.min(now - begun, waitMs + everyMs * 1.5);
    looking = setInterval(look, everyMs).unref();
  }, waitMs).unref();
  return {
    heard: () => {
      clearInterval(looking);
      begun = performance.now();
      waiting.refresh();
    },
    release,
  };
}

/** When the process began, in ticks since the boot; undefined: there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Its name may hold blanks and brackets: fields are counted after it. The 22nd of all is the start.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended in this very moment.
  }
}
