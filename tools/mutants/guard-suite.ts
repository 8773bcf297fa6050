import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Hunt } from "./hunt.ts";
import { closeIfBrokenOff } from "./leftovers.ts";
import type { Mutant } from "./mutant.ts";
import { copyTree, plant } from "./plant.ts";

const suite = "test/contracts/guard.test.ts";
const parts = ["src", "guard", "test", "tools", "vitest.config.ts"];
const runLimitMs = 300_000;

type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
};

/** A mutant of the real guard, or the guard as it is (null), against the contract suite on real cgroups. Needs root. */
export async function huntGuard(mutant: Mutant | null): Promise<Omit<Hunt, "mutant">> {
  const begun = performance.now();
  const dir = copyTree(mutant?.id ?? "guard", parts);
  try {
    if (mutant !== null) plant(mutant, dir);
    const report = await runSuite(dir);
    const failed = report?.testResults
      .flatMap((file) => file.assertionResults)
      .filter((test) => test.status === "failed");
    const found = failed?.find((test) => !test.failureMessages.some((text) => text.includes("Test timed out")));
    const [message = ""] = found?.failureMessages[0]?.split("\n") ?? [];
    return {
      kill: found === undefined ? null : { by: "contract", text: message, trial: found.fullName },
      trials: 1,
      crashes: report === undefined || (failed?.length ?? 0) > (found === undefined ? 0 : 1) ? 1 : 0,
      red: [],
      seconds: Math.round((performance.now() - begun) / 100) / 10,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Undefined: it did not come to a report, so that nothing was tested. */
function runSuite(dir: string): Promise<Report | undefined> {
  const out = join(dir, "report.json");
  const args = ["run", "--project", "contracts", "--bail", "1", "--reporter", "json", "--outputFile", out, suite];
  const child = spawn(join(dir, "node_modules", ".bin", "vitest"), args, { cwd: dir, stdio: "ignore" });
  const limit = setTimeout(() => child.kill("SIGTERM"), runLimitMs);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  // The suite removes its cgroups and processes itself, given the time.
  let broken = false;
  const closed = closeIfBrokenOff(async () => {
    broken = true;
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  return ended.then(() => {
    if (broken) return new Promise(() => {});
    clearTimeout(limit);
    closed();
    return readReport(out);
  });
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined; // the suite did not even load
  }
}
