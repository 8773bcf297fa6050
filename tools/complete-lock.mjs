// Run after each `npm install` of something new: node tools/complete-lock.mjs
//
// A registry that carries packages for some platforms only makes npm leave the others out of the lock file, and `npm ci`
// then refuses that file everywhere. This adds the missing optional packages by name, exact version and platform, so that
// npm skips them without asking for them. They carry no integrity: on their platforms npm would fetch them unchecked, but
// Holdfast runs on none of those. An `npm install` against a full registry fills in the rest.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missingOptional } from "./setup/lock.mjs";

const file = join(import.meta.dirname, "..", "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));
const missing = missingOptional(lock);
for (const { path, version, dev } of missing)
  lock.packages[path] = { version, ...(dev ? { dev } : {}), ...platform(path) };
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${missing.length} packages of other platforms added`);

/** The last words of such a package's name are its platform: `…-linux-arm64-musl`. @param {string} path */
function platform(path) {
  const words = path.split(/[/-]/u);
  const os = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"].find((name) => words.includes(name));
  const cpu = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x"].find((name) => words.includes(name));
  if (os === undefined || cpu === undefined) throw new Error(`Cannot tell the platform of ${path} by its name`);
  const libc =
    os !== "linux" ? undefined : words.includes("musl") ? "musl" : words.includes("gnu") ? "glibc" : undefined;
  return { cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }), optional: true, os: [os] };
}
