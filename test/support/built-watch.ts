import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
let isBuilt = false;

/** The program that notes who else writes the images of copies, of its source as it is. */
export function builtWatch(): string {
  if (!isBuilt) execFileSync(process.execPath, [join(root, "tools", "build-guard.mjs")]);
  isBuilt = true;
  return join(root, ".build", "holdfast-watch");
}
