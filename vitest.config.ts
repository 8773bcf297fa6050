import { defineConfig } from "vitest/config";

const setupFiles = ["test/fixed-seed.ts"];
// What is pure leaves nothing behind: its files share their processes, which saves loading everything anew for each.
// Two at a time, also where that is every core: by itself it would leave one free.
// The limit only ends what hangs: on a machine with other work a story of a second has taken twenty.
const quick = { testTimeout: 120_000, hookTimeout: 120_000, setupFiles, isolate: false, maxWorkers: 2 };
// Suites that drive real processes wait for conditions; the limits only end a test that hangs. A lab has the machine for itself:
// two of them on two cores would measure each other. Contracts mostly wait, and each has folders and addresses of its own.
const real = {
  testTimeout: 240_000,
  hookTimeout: 240_000,
  teardownTimeout: 60_000,
  setupFiles,
  fileParallelism: false,
  maxWorkers: 1,
};

export default defineConfig({
  test: {
    pool: "forks",
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "tools/**/*.test.ts", "bench/**/*.test.ts", "lab/**/*.test.ts"],
          ...quick,
        },
      },
      { test: { name: "properties", include: ["test/properties/**/*.test.ts"], ...quick } },
      { test: { name: "scenarios", include: ["test/scenarios/**/*.test.ts"], ...quick } },
      { test: { name: "seeds", include: ["test/seeds/**/*.test.ts"], ...quick } },
      {
        test: {
          name: "contracts",
          include: ["test/contracts/**/*.test.ts"],
          ...real,
          fileParallelism: true,
          maxWorkers: 2,
        },
      },
      { test: { name: "lab", include: ["test/lab/**/*.test.ts"], ...real } },
      { test: { name: "long", include: ["test/long/**/*.test.ts"], ...real, testTimeout: 1_800_000 } },
    ],
  },
});
