import { expect, test } from "vitest";
import { failoverRow, outageRow, spreadOf, type TrialEnd } from "./rows.ts";

const end = (takeoverMs: number, frozenBeforeTakeoverMs: number | null): TrialEnd => ({
  lostAcknowledgedWrites: 0,
  doubleRuns: 0,
  times: { takeoverMs, startAllowedMs: takeoverMs + 400.4, serviceMs: takeoverMs + 3_000, frozenBeforeTakeoverMs },
});
const setting = { hosts: 3, profile: "default" };

test("a spread is the smallest, the middle and the largest, however the values came", () => {
  expect(spreadOf([30, 10, 20])).toEqual({ min: 10, median: 20, max: 30 });
  expect(spreadOf([40, 10, 20, 30])).toEqual({ min: 10, median: 25, max: 40 });
  expect(spreadOf([])).toEqual({ min: null, median: null, max: null });
});

test("a row has exactly the fields that were agreed on", () => {
  const row = failoverRow("cut", [end(5_600, 610), end(5_800, 590)], setting);
  expect(row).toEqual({
    fault: "cut",
    trials: 2,
    takeoverMs: { min: 5_600, median: 5_700, max: 5_800 },
    startAllowedMs: { min: 6_000, median: 6_100, max: 6_200 },
    serviceMs: { min: 8_600, median: 8_700, max: 8_800 },
    frozenBeforeTakeoverMs: { min: 590, median: 600, max: 610 },
    lostAcknowledgedWrites: 0,
    doubleRuns: 0,
    hosts: 3,
    profile: "default",
  });
});

test("a trial that failed is counted and its losses are not dropped", () => {
  const failed: TrialEnd = { lostAcknowledgedWrites: 2, doubleRuns: 1, times: undefined };
  const row = failoverRow("power-off", [end(5_600, null), failed], setting);
  expect(row).toMatchObject({ trials: 2, failed: 1, lostAcknowledgedWrites: 2, doubleRuns: 1 });
  expect(row.frozenBeforeTakeoverMs).toBeNull();
  expect(failoverRow("power-off", [failed], setting).takeoverMs).toEqual({ min: null, median: null, max: null });
});

test("the row of a network outage tells the longest pause", () => {
  const calm = { lostAcknowledgedWrites: 0, doubleRuns: 0, fencings: 0, kills: 0 };
  const ends = [
    { ...calm, pauseMs: 21_000.4 },
    { ...calm, pauseMs: 22_000 },
  ];
  expect(outageRow(ends)).toEqual({ fault: "network-outage", trials: 2, pauseMs: 22_000, fencings: 0, kills: 0 });
  expect(outageRow([{ ...calm, kills: 1, pauseMs: undefined }])).toMatchObject({ failed: 1, kills: 1, pauseMs: null });
});
