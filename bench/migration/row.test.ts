import { expect, test } from "vitest";
import { moveRow } from "./row.ts";

test("a row holds medians, in whole milliseconds, and their ratio", () => {
  const moves = (...totals: readonly number[]) => totals.map((totalMs) => ({ totalMs, downtimeMs: totalMs / 2 }));
  expect(moveRow("shared", moves(400.4, 110, 120), moves(100, 90, 110, 300), 9.6)).toEqual({
    kind: "shared",
    oursMs: 120,
    rawMs: 105,
    ratio: 1.14,
    oursDowntimeMs: 60,
    rawDowntimeMs: 53,
    cgroupMs: 10,
  });
});
