// Compiles the guard, and what watches the images of copies, where a source is newer than its program. No dependency, Node 20 or newer.
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Returns null, or one message with cause, effect and remedy. Where the watch alone cannot be built that is said, and nothing fails. */
export function buildGuard() {
  const trouble = build("holdfast-guard", "the guard", "Without it no host can stop its VMs in time.");
  if (trouble !== null) return trouble;
  const without = build("holdfast-watch", "the watch over copies", "Without it nobody sees who else writes them.");
  if (without !== null) console.error(without);
  return null;
}

function build(name, called, effect) {
  const source = join(root, "guard", `${name}.c`);
  const program = join(root, ".build", name);
  if (changedAt(program) > changedAt(source)) return null;
  mkdirSync(dirname(program), { recursive: true });
  // Under a name of its own and then moved: a running guard keeps its file, and two builds at once do not mix.
  const fresh = `${program}.${process.pid}`;
  const end = spawnSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, source], { encoding: "utf8" });
  if (end.error !== undefined)
    return `Cannot compile ${called}: no C compiler runs (${end.error.message}). ${effect} Install one: apt-get install gcc libc6-dev`;
  if (end.status !== 0)
    return `Cannot compile ${called}: cc ended with ${end.status ?? end.signal}. ${effect} Its words:\n${end.stderr}`;
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
