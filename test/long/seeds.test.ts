import { expect, test } from "vitest";
import { Totals } from "../../src/sim/report.ts";
import { playMany } from "../../tools/sim/many.ts";

test.each([
  { layout: "many", count: 2_000 },
  { layout: "local", count: 300 },
  { layout: "two", count: 300 },
] as const)(
  "$count fresh seeds of the layout $layout hold, and reach everything they should",
  async ({ layout, count }) => {
    // The only place where seeds are fresh: a failure names its seed, which then plays the same for everybody.
    const first = Math.floor(Date.now() / 1000);
    const totals = new Totals(layout);
    const failures: string[] = [];
    await playMany({ layout, first, count }, (report) => {
      totals.add(report);
      if (report.failure !== null) {
        failures.push(
          `seed ${report.seed} of ${layout}: ${report.failure.rule} ${report.failure.text}\n${report.trace.join("\n")}`,
        );
      }
      return failures.length < 5;
    });
    expect(failures.join("\n\n")).toBe("");
    expect(totals.missing()).toEqual([]);
  },
);
