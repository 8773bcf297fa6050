import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Beside the installed packages, not in a folder that others may write. Where it cannot be written, nothing is cached.
enableCompileCache(join(import.meta.dirname, "..", "..", "node_modules", ".cache", "holdfast"));
const { cli } = await import("../cli/index.ts");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
// A reader that has seen enough (`| head`) is not an error.
process.stdout.on("error", () => process.exit(0));

process.exitCode = await cli(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  tty: process.stderr.isTTY === true,
  env: process.env,
  stop: stop.signal,
});
