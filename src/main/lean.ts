import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

// Stripping types loads a compiler of more than 20 MB that never leaves, and V8 lets young objects pile up. So a daemon
// becomes a fresh process, same pid, twice: with a small young generation, and one helper thread, as each collection wakes
// all of them (the flags are part of the cache's key, so the code must be compiled under them), then with everything compiled.
// The cache lies beside the installed packages, not in a folder that others may write; where it cannot be written the
// process is only larger.
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast");
const flags = ["--max-semi-space-size=2", "--v8-pool-size=1"];
const mark = "HOLDFAST_LEAN";

/**
 * Loads a daemon's own module, starting the process over until it is lean; returns where it goes on. `steady`: it never has
 * more to do than a little each second, for which optimizing compilers never pay.
 */
export async function loadLean<T>(load: () => Promise<T>, { steady }: { readonly steady: boolean }): Promise<T> {
  const stage = process.env[mark];
  if (stage === "lean" || process.execve === undefined) return load();
  if (stage !== "filling") startOver("filling", steady);
  enableCompileCache(cache);
  await load();
  flushCompileCache();
  return startOver("lean", steady);
}

function startOver(stage: "filling" | "lean", steady: boolean): never {
  const more = steady ? ["--max-opt=1"] : [];
  const environment = { ...process.env, NODE_COMPILE_CACHE: cache, [mark]: stage };
  process.execve?.(process.execPath, [process.execPath, ...flags, ...more, ...process.argv.slice(1)], environment);
  throw new Error("Cannot start over: execve returned");
}
