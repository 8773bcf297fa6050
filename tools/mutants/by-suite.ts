import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Hunt } from "./hunt.ts";
import { closeIfBrokenOff } from "./leftovers.ts";
import type { Mutant } from "./mutant.ts";
import { copyTree, plant } from "./plant.ts";

/** With the guest that real QEMUs boot. */
const parts = ["src", "guard", "lab", "test", "tools", ".build", "vitest.config.ts"];
const runLimitMs = 600_000;

/** Bugs that tests find, not the simulator. */
export const suites = {
  /** The real guard on real cgroups. Needs root. */
  guard: { projects: ["contracts"], files: ["test/contracts/guard.test.ts"] },
  /** The records of replicas, by what is proven of them without a world. */
  replication: {
    projects: ["unit", "properties", "contracts"],
    files: [
      ...["src/core/replication", "src/model/replica-identity.test.ts", "test/properties/replication"],
      ...[
        "src/core/takeover",
        "src/core/point",
        "src/core/last-moments.test.ts",
        "src/core/copies-watched.test.ts",
        "src/manager/manager.test.ts",
        "test/contracts/takeover.test.ts",
      ],
      ...["src/heart/registering.test.ts", "src/adapters/etcd/force.test.ts", "src/adapters/etcd/member-start.test.ts"],
      ...["src/agent/alone.test.ts", "src/agent/cycling.test.ts", "src/agent/mirroring.test.ts"],
      ...["src/agent/note-points.test.ts", "src/agent/receiving.test.ts", "src/agent/second-commit.test.ts"],
      ...["src/agent/letting-go-on.test.ts", "src/agent/silent.test.ts"],
      ...["src/adapters/nbd/spent-chunks.test.ts", "src/adapters/qemu/guest-freeze.test.ts"],
    ],
  },
  /** The driver and the relay with real QEMUs. Needs root. */
  relay: {
    projects: ["contracts", "unit"],
    files: [
      ...[
        "test/contracts/replication.test.ts",
        "test/contracts/replication-real.test.ts",
        "test/contracts/cycles.test.ts",
      ],
      ...["test/contracts/merge-real.test.ts", "test/contracts/branch-real.test.ts"],
      ...["test/contracts/process-end.test.ts", "test/contracts/copies-removed-real.test.ts"],
      ...["test/contracts/replica-watch.test.ts", "test/contracts/relay-silent-real.test.ts"],
      ...[
        "test/contracts/relay-slow-peer.test.ts",
        "test/contracts/relay-left.test.ts",
        "src/adapters/qemu/door.test.ts",
        "src/adapters/nbd/relay-patience.test.ts",
      ],
    ],
  },
  /** The driver of live moves with real QEMUs, where disks go along. Needs root. */
  moves: {
    projects: ["contracts", "long"],
    files: [
      ...["test/contracts/local-move.test.ts", "test/contracts/move-disk-errors-real.test.ts"],
      "test/contracts/arrived-image.test.ts",
      ...["test/contracts/local-move-cut-real.test.ts", "test/contracts/move-silent-real.test.ts"],
      "test/long/local-move-real.test.ts",
    ],
  },
} as const;
export type Suite = keyof typeof suites;

type Report = {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
};

/** A mutant, or the code as it is (null), against one of the suites. */
export async function huntBySuite(suite: Suite, mutant: Mutant | null): Promise<Omit<Hunt, "mutant">> {
  const begun = performance.now();
  const dir = copyTree(mutant?.id ?? suite, parts);
  try {
    if (mutant !== null) plant(mutant, dir);
    const report = await runSuite(suite, dir);
    const failed = report?.testResults
      .flatMap((file) => file.assertionResults)
      .filter((test) => test.status === "failed");
    const found = failed?.find((test) => !test.failureMessages.some((text) => text.includes("Test timed out")));
    const [message = ""] = found?.failureMessages[0]?.split("\n") ?? [];
    return {
      kill: found === undefined ? null : { by: suite, text: message, trial: found.fullName },
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
function runSuite(suite: Suite, dir: string): Promise<Report | undefined> {
  const out = join(dir, "report.json");
  const { projects, files } = suites[suite];
  const named = projects.flatMap((project) => ["--project", project]);
  const args = ["run", ...named, "--bail", "1", "--reporter", "json", "--outputFile", out, ...files];
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
    const report = JSON.parse(readFileSync(path, "utf8")) as Report;
    const { testResults } = report;
    // A file that did not load is in the report, with nothing in it: then it is green for no reason.
    const isTested = testResults.length > 0 && testResults.every((file) => file.assertionResults.length > 0);
    const isRed = testResults.some((file) => file.assertionResults.some((test) => test.status === "failed"));
    return isTested || isRed ? report : undefined;
  } catch {
    return undefined; // the suite did not even load
  }
}
