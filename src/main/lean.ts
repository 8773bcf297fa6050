import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

// Stripping types loads a compiler of more than 20 MB that never leaves. So a daemon compiles into the cache, and then
// becomes a fresh process, same pid, that finds everything there. The cache lies beside the installed packages, not in a
// folder that others may write; where it cannot be written the process is only larger.
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast");
const mark = "HOLDFAST_LEAN";

/** Loads a daemon's own module and, the first time, starts the process over with it compiled. Returns where it goes on. */
export async function loadLean<T>(load: () => Promise<T>): Promise<T> {
  if (process.env[mark] === "1") return load();
  enableCompileCache(cache);
  const loaded = await load();
  if (process.execve === undefined) return loaded;
  flushCompileCache();
  // Small semispaces: these processes make much short-lived data at a low rate (the flag is part of the cache's key).
  const args = [process.execPath, "--max-semi-space-size=1", ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...process.env, NODE_COMPILE_CACHE: cache, [mark]: "1" });
  return loaded;
}
