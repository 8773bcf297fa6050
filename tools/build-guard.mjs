// Compiles the guard where its source is newer than the program. No dependency, Node 20 or newer.
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "guard", "holdfast-guard.c");
const program = join(root, ".build", "holdfast-guard");

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Returns null, or one message with cause, effect and remedy. */
export function buildGuard() {
  if (changedAt(program) > changedAt(source)) return null;
  mkdirSync(dirname(program), { recursive: true });
  // Under a name of its own and then moved: a running guard keeps its file, and two builds at once do not mix.
  const fresh = `${program}.${process.pid}`;
  const end = spawnSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, source], { encoding: "utf8" });
  if (end.error !== undefined)
    return `Cannot compile the guard: no C compiler runs (${end.error.message}). Without it no host can stop its VMs in time. Install one: apt-get install gcc libc6-dev`;
  if (end.status !== 0)
    return `Cannot compile the guard: cc ended with ${end.status ?? end.signal}. Without it no host can stop its VMs in time. Its words:\n${end.stderr}`;
  renameSync(fresh, program);
  return null;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const trouble = buildGuard();
  if (trouble !== null) {
    console.error(trouble);
    process.exitCode = 1;
  }
}
