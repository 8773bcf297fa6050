import fc from "fast-check";
import { expect, test } from "vitest";
import { isPointDue, pointsToDrop, type Thinnable } from "./point-thinning.ts";

const minute = 60_000;
const hour = 60 * minute;
const at = (ms: number, pinned = false): Thinnable => ({ id: `p${ms}`, at: ms, pinned });

test("[S20] of each interval the newest stays, as many as the rule says; and always the newest of all", () => {
  const points = [0, 5, 10, 59, 61, 119, 121].map((m) => at(m * minute));
  expect(pointsToDrop(points, [{ everyMs: hour, count: 2 }])).toEqual([
    "p0",
    "p300000",
    "p600000",
    "p3540000",
    "p3660000",
  ]);
  expect(pointsToDrop(points, [{ everyMs: hour, count: 24 }])).toEqual(["p0", "p300000", "p600000", "p3660000"]);
  expect(pointsToDrop(points, [])).toHaveLength(6);
  const both = [
    { everyMs: 5 * minute, count: 2 },
    { everyMs: hour, count: 3 },
  ];
  expect(pointsToDrop(points, both)).toEqual(["p0", "p300000", "p600000", "p3660000"]);
});

test("[S20] a point that somebody needs stays", () => {
  expect(pointsToDrop([at(0, true), at(minute), at(2 * minute)], [{ everyMs: hour, count: 1 }])).toEqual(["p60000"]);
});

const rules = fc.array(
  fc.record({ everyMs: fc.integer({ min: 1, max: 500 }), count: fc.integer({ min: 1, max: 8 }) }),
  {
    maxLength: 3,
  },
);
const drawn = fc.uniqueArray(fc.nat(3_000), { minLength: 1, maxLength: 60 });

test("[S20] whatever the points and the rules: order counts for nothing, a second round drops nothing, and few stay", () => {
  fc.assert(
    fc.property(drawn, rules, fc.nat(7), (times, keep, pin) => {
      const points = times.map((ms, i) => at(ms, i % 8 === pin));
      const dropped = new Set(pointsToDrop(points, keep));
      const left = points.filter(({ id }) => !dropped.has(id));
      expect(pointsToDrop([...points].reverse(), keep)).toEqual([...dropped]);
      expect(pointsToDrop(left, keep)).toEqual([]);
      expect(left.map((point) => point.at)).toContain(Math.max(...times));
      const most = 1 + keep.reduce((sum, { count }) => sum + count, 0);
      expect(left.filter(({ pinned }) => !pinned).length).toBeLessThanOrEqual(most);
    }),
    { numRuns: 500 },
  );
});

test("a point is due at its interval, at first, and soon after the clock was put back", () => {
  expect([isPointDue(hour, undefined, 0), isPointDue(hour, 0, hour), isPointDue(hour, 0, hour - 1)]).toEqual([
    true,
    true,
    false,
  ]);
  expect([isPointDue(hour, 10 * hour, 9 * hour), isPointDue(hour, 10 * hour, hour)]).toEqual([false, true]);
});
