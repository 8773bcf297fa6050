import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run, SetupError, say, tail } from "./common.mjs";

const modules = join(root, "node_modules");
const stampFile = join(modules, ".holdfast-stamp");

/** True where node_modules is what package.json and the lock file say. */
export function packagesAreInstalled() {
  return linkedModules() || (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp());
}

/** A second worktree borrows the first one's node_modules: they are not ours to replace. */
function linkedModules() {
  return lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function stamp() {
  const hash = createHash("sha256");
  for (const file of ["package.json", "package-lock.json"]) hash.update(readFileSync(join(root, file))).update("\0");
  return `${hash.update(`${process.platform}-${process.arch}`).digest("hex")}\n`;
}

/** `npm ci`, unless the tree that npm wrote down is already the wanted one. */
export function installNpm() {
  if (!matchesLock()) {
    say("installing npm packages (npm ci)");
    const end = npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    if (end.missing || !end.ok)
      throw new SetupError(
        end.missing ? "npm was not found." : `npm ci failed (exit ${end.status}):\n${npmErrors(end.output)}`,
        "Neither Node 24 nor the libraries are there: nothing of Holdfast can run.",
        "Check that npm 11 is installed and its registry can be reached (npm ping), then try again.",
      );
  }
  checkNode24();
  writeFileSync(stampFile, stamp());
}

/** npm says why first and prints its help afterwards. @param {string} output */
function npmErrors(output) {
  const lines = output.split("\n").filter((line) => /^npm (?:error|ERR!) \S/u.test(line));
  return lines.length === 0
    ? tail(output)
    : lines
        .slice(0, 6)
        .map((line) => `    ${line}`)
        .join("\n");
}

/** @param {readonly string[]} args */
function npm(args) {
  const cli = process.env.npm_execpath;
  const byNode = cli !== undefined && /\.[cm]?js$/u.test(cli);
  const options = { cwd: root };
  return byNode ? run(process.execPath, [cli, ...args], options) : run("npm", args, options);
}

/** Compares the lock file with the one that npm keeps beside what it installed. */
function matchesLock() {
  const installedFile = join(modules, ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const found = installed[path];
    if (found === undefined ? entry.optional !== true : found.version !== entry.version) return false;
  }
  return Object.keys(installed).every((path) => wanted[path] !== undefined);
}

function checkNode24() {
  const end = run(join(modules, ".bin", "node"), ["--version"]);
  if (!end.ok || !end.stdout.startsWith("v24."))
    throw new SetupError(
      `npm installed no Node 24 for ${process.platform}-${process.arch}.`,
      "Holdfast runs its TypeScript on Node 24 directly.",
      "Use Linux on x86-64 or arm64, and check that optional packages are not switched off (npm config get omit).",
    );
}
