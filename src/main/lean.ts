import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

// Stripping types loads a compiler of more than 20 MB that never leaves, and V8 lets young objects pile up. So a daemon
// becomes a fresh process, same pid, twice: with a small young generation; with one helper thread, as each collection wakes
// all of them; and without the optimizing compilers, since code that runs a few times a second never pays for them (the flags
// are part of the cache's key, so the code must be compiled under them). Then with everything compiled. The cache lies beside
// the installed packages, not in a folder that others may write; where it cannot be written the process is only larger.
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast");
const flags = ["--max-semi-space-size=2", "--v8-pool-size=1", "--max-opt=1"];
/** Of the environment: how far this process has come; whoever starts another program takes it away. */
export const leanMark = "HOLDFAST_LEAN";

/**
 * Loads a daemon's own module, starting the process over until it is lean; returns where it goes on. `soon`: somebody waits
 * for it, so that a cold cache is filled on the way, and only the next one is lean.
 */
export async function loadLean<T>(load: () => Promise<T>, soon = false): Promise<T> {
  const stage = process.env[leanMark];
  if (stage === "lean" || process.execve === undefined) {
    const loaded = await load();
    if (soon) flushCompileCache();
    return loaded;
  }
  if (stage !== "filling") startOver(soon ? "lean" : "filling");
  enableCompileCache(cache);
  await load();
  flushCompileCache();
  return startOver("lean");
}

/** From now on this process has so much to do that optimizing compilers pay. */
export function growStrong(): void {
  for (const flag of ["--max-opt=999", "--maglev", "--turbofan"]) setFlagsFromString(flag);
}

function startOver(stage: "filling" | "lean"): never {
  const environment = { ...process.env, NODE_COMPILE_CACHE: cache, [leanMark]: stage };
  process.execve?.(process.execPath, [process.execPath, ...flags, ...process.argv.slice(1)], environment);
  throw new Error("Cannot start over: execve returned");
}
