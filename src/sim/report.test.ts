import { describe, expect, test } from "vitest";
import { outcomesOf } from "./counts.ts";
import { drawnKinds } from "./faults/menu.ts";
import { type SeedLayout, seedLayouts } from "./plan.ts";
import { countedFrom, type SeedReport, Totals } from "./report.ts";

function expectedOf(layout: SeedLayout): string[] {
  return [...outcomesOf(layout), ...drawnKinds(layout).map((kind) => `fault ${kind}`)];
}
const all = expectedOf("many");

function totalsOf(seeds: number, names: readonly string[], layout: SeedLayout = "many"): Totals {
  const totals = new Totals(layout);
  const counts = names.map((name): [string, number] => [name, 1]);
  const report: SeedReport = { seed: "1", virtualSeconds: 600, failure: null, trace: [], counts, digest: "" };
  for (let i = 0; i < seeds; i++) totals.add(report);
  return totals;
}

describe("What many seeds came to", () => {
  test("a kind of fault that is never drawn fails, whichever it is", () => {
    expect(totalsOf(countedFrom, all).missing()).toEqual([]);
    for (const kind of ["duplicate", "rule-add", "host-reboots", "maintenance", "disarm", "operator-moves", "cut"]) {
      const without = all.filter((name) => name !== `fault ${kind}`);
      expect(totalsOf(countedFrom, without).missing()).toEqual([`fault ${kind} never happened in 200 seeds`]);
    }
    expect(totalsOf(countedFrom - 1, []).missing()).toEqual([]);
  });

  test("each layout has counts of its own: what the other one alone can reach is not missed", () => {
    for (const layout of seedLayouts) {
      const expected = expectedOf(layout);
      expect(totalsOf(countedFrom, expected, layout).missing()).toEqual([]);
      for (const name of expected)
        expect(
          totalsOf(
            countedFrom,
            expected.filter((one) => one !== name),
            layout,
          ).missing(),
        ).toContain(`${name} never happened in 200 seeds`);
    }
    expect(expectedOf("two")).toEqual(expect.arrayContaining(["fault takeover", "takeoversByDevice", "joinedAgain"]));
    expect(all).toEqual(expect.arrayContaining(["fault host-removed", "thaws", "evenings"]));
    expect(all).not.toContain("fault takeover");
  });

  test("each kind is counted, also the ones that stayed at zero", () => {
    const { counts } = totalsOf(1, ["fault cut"]).summary();
    expect(counts["fault cut"]).toBe(1);
    expect(Object.keys(counts).sort()).toEqual([...all].sort());
    expect(counts["fault quarantine"]).toBe(0);
  });
});
