import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";

// holdfast-heart: the process that keeps a host's VMs running, by committing heartbeats (docs/designs/0001).
// It shall stay small (45 MB private). Stripping types loads a compiler of more than 20 MB that never leaves, so it
// compiles into the cache, and then becomes a fresh process, same pid, that finds everything there. Beside the installed
// packages, not in a folder that others may write; where it cannot be written the heart is only larger.
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast");
const isLean = process.env["HOLDFAST_HEART_LEAN"] === "1";
if (!isLean) enableCompileCache(cache);
const { main } = await import("./heart-process.ts");
if (!isLean && process.execve !== undefined) {
  flushCompileCache();
  const args = [process.execPath, "--max-semi-space-size=1", ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...process.env, NODE_COMPILE_CACHE: cache, HOLDFAST_HEART_LEAN: "1" });
}
const code = main(process.argv.slice(2));
if (code !== undefined) process.exitCode = code;
