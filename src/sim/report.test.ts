import { describe, expect, test } from "vitest";
import { outcomeNames } from "./counts.ts";
import { drawnKinds } from "./faults/menu.ts";
import { countedFrom, type SeedReport, Totals } from "./report.ts";

const all = [...outcomeNames, ...drawnKinds.map((kind) => `fault ${kind}`)];

function totalsOf(seeds: number, names: readonly string[]): Totals {
  const totals = new Totals();
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

  test("each kind is counted, also the ones that stayed at zero", () => {
    const { counts } = totalsOf(1, ["fault cut"]).summary();
    expect(counts["fault cut"]).toBe(1);
    expect(Object.keys(counts).sort()).toEqual([...all].sort());
    expect(counts["fault quarantine"]).toBe(0);
  });
});
