import { expect, test } from "vitest";
import { durabilityRow, type Trial } from "./row.ts";

const trial = (fault: Trial["fault"], stallMs: number, lost = 0): Trial => ({ fault, stallMs, lost, doubleRuns: 0 });

test("a row tells the stalls of each kind of fault, and how often it came", () => {
  const trials = [trial("link-cut", 2_100), trial("source-power-off", 9_000), trial("link-cut", 40)];
  expect(durabilityRow([...trials, trial("link-cut", 2_300)], 500, "s")).toEqual({
    trials: 4,
    acknowledged: 500,
    lost: 0,
    doubleRuns: 0,
    stallMs: { "link-cut": { median: 2_100, max: 2_300 }, "source-power-off": { median: 9_000, max: 9_000 } },
    faults: { "link-cut": 3, "source-power-off": 1 },
    seed: "s",
  });
});

test("a write that was lost in any trial is lost, though a later one does not miss it", () => {
  const trials = [trial("source-cut", 1), trial("source-cut", 1, 2), trial("target-power-off", 1)];
  expect(durabilityRow(trials, 10, "s").lost).toBe(2);
});
