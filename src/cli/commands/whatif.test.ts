import { expect, test } from "vitest";
import type { ForecastOutput, ForeseenOutput } from "../../api/contract/whatif.ts";
import { forecastText } from "./whatif.ts";

const moves = (name: string, afterMs: number): ForeseenOutput => ({
  ...{
    id: `vm:${name}` as ForeseenOutput["id"],
    name,
    wasDown: false,
    from: "h1",
    via: null,
    to: "h2",
    becomes: "moves",
    afterMs,
    downMs: 0,
  },
  ...{
    why: null,
    fix: null,
    loses: null,
    stoppedFirst: null,
    unseen: null,
    restsOn: ["live-move", "pause"],
    guessed: [],
  },
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

test("a default is marked in the row that it is part of, and figures that no row has are left out", () => {
  const steps = (["power-off", "stop", "start", "live-move", "pause"] as const).map((step) => {
    return { step, ms: 1_000, samples: step === "live-move" ? 3 : 0 };
  });
  const text = (...vms: ForeseenOutput[]) =>
    forecastText({ asOfMs: null, course: [], vms, steps, bandwidthMiBps: null });
  const live: ForeseenOutput = { ...moves("web", 10_000), downMs: 1_000, guessed: ["pause"] };
  expect(text(live)).toMatch(/^web .+ moves +10\.0 s +~1\.0 s$/mu);
  expect(text(live)).toContain(
    "Times rest on: live-move 1.0 s (median of 3 here), pause 1.0 s (a default, never measured here). ~: a default is part of it.\n",
  );
  const afresh: ForeseenOutput = { ...live, becomes: "restarts", restsOn: ["power-off", "start"], guessed: ["start"] };
  expect(text(afresh)).toMatch(/^web .+ restarts +~10\.0 s +~1\.0 s$/mu);
  expect(text(afresh)).not.toContain("live-move");
  const measured = text({ ...live, guessed: [] });
  expect(measured).not.toContain("~");
  expect(measured).not.toContain("boot");
});
