import { expect, test } from "vitest";
import type { ForecastOutput, ForeseenOutput } from "../../api/contract/whatif.ts";
import { forecastText } from "./whatif.ts";

const moves = (name: string, afterMs: number): ForeseenOutput => ({
  ...{
    id: `vm:${name}` as ForeseenOutput["id"],
    name,
    from: "h1",
    via: null,
    to: "h2",
    becomes: "moves",
    afterMs,
    downMs: 0,
  },
  ...{ why: null, fix: null, loses: null, stoppedFirst: null, unseen: null, guessed: [] },
});

test("a plan is in order of the VMs' names, with numbers as people count, whichever goes first", () => {
  const vms = [moves("web10", 1_000), moves("db", 3_000), moves("web9", 2_000)];
  const plan = { course: [], vms, steps: [], bandwidthMiBps: null } as unknown as ForecastOutput;
  const names = forecastText(plan)
    .split("\n")
    .slice(1, 4)
    .map((line) => line.split(" ")[0]);
  expect(names).toEqual(["db", "web9", "web10"]);
});
