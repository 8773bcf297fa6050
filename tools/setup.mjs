// Makes a fresh clone ready: Debian packages, npm packages, the guard, the guest. Plain JavaScript without dependencies,
// for Node 20: it runs before anything is installed. With nothing to do it ends in a fraction of a second.
//
//   node tools/setup.mjs          npm packages: enough for the gate (`npm run ok`); --dev says the same
//   node tools/setup.mjs --lab    also what needs root: Debian packages, the compiled guard, the guest's image
//   --quiet                       no progress, only errors
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages, mayInstall, missingPackages } from "./setup/apt.mjs";
import { root, SetupError, setQuiet } from "./setup/common.mjs";
import { installNpm, packagesAreInstalled } from "./setup/npm.mjs";

const flags = process.argv.slice(2);
const lab = flags.includes("--lab");
const quiet = flags.includes("--quiet");
const lockedMark = "HOLDFAST_SETUP_LOCKED";

/** Their own idempotent builders; each says by itself what it does and why it cannot. */
const builders = ["tools/build-guard.mjs", "lab/guest/build.mjs"];

function main() {
  const unknown = flags.filter((flag) => !["--lab", "--dev", "--quiet"].includes(flag));
  if (unknown.length > 0)
    throw new SetupError(
      `Unknown option ${unknown.join(" ")}.`,
      "Nothing was set up.",
      "Known are --lab, --dev and --quiet.",
    );
  setQuiet(quiet);
  if (lab && process.platform !== "linux")
    throw new SetupError(
      `This is ${process.platform}, not Linux.`,
      "The lab needs namespaces, cgroups and QEMU.",
      "Use a Debian machine.",
    );
  const missing = lab ? missingPackages() : [];
  mayInstall(missing);
  const wantsApt = missing.length > 0;
  const wantsNpm = !packagesAreInstalled();
  if ((wantsApt || wantsNpm) && process.env[lockedMark] === undefined) return againUnderLock();
  if (wantsApt) installPackages(missing);
  if (wantsNpm) installNpm();
  return lab ? build() : 0;
}

/** Two set-ups at once (two terminals, two clones) wait for each other; the lock ends with its process, however that ends. */
function againUnderLock() {
  const dir = process.getuid?.() === 0 ? "/run/lock" : join(root, ".build");
  mkdirSync(dir, { recursive: true });
  const self = fileURLToPath(import.meta.url);
  const end = spawnSync(
    "flock",
    ["--wait", "900", join(dir, "holdfast-setup.lock"), process.execPath, self, ...flags],
    {
      stdio: "inherit",
      env: { ...process.env, [lockedMark]: "1" },
    },
  );
  if (end.error !== undefined)
    throw new SetupError(
      "flock (util-linux) was not found.",
      "Two set-ups at once could damage each other, so none was begun.",
      "Install util-linux.",
    );
  return end.status ?? 1;
}

function build() {
  const node24 = join(root, "node_modules", ".bin", "node");
  for (const builder of builders) {
    if (!existsSync(join(root, builder))) continue;
    const end = spawnSync(node24, [join(root, builder), ...(quiet ? ["--quiet"] : [])], {
      cwd: root,
      stdio: ["ignore", 2, 2],
    });
    if (end.status !== 0) return end.status ?? 1;
  }
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
}
