import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

test("backoffMs() doubles from the first wait to the ceiling", () => {
  expect([0, 1, 2, 3, 4].map((attempt) => backoffMs(attempt, 100, 1000))).toEqual([100, 200, 400, 800, 1000]);
});

test("backoffMs() never shrinks, passes the ceiling or overflows", () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 5000 }), fc.nat(60_000), (attempt, first, more) => {
      const wait = backoffMs(attempt, first, first + more);
      expect(wait).toBeGreaterThanOrEqual(first);
      expect(wait).toBeLessThanOrEqual(first + more);
      expect(backoffMs(attempt + 1, first, first + more)).toBeGreaterThanOrEqual(wait);
    }),
  );
});
