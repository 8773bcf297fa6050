import { expect, test } from "vitest";
import type { GuestRecord } from "../../lab/guest/disk.ts";
import { lostNumbers, revenants } from "./disk-check.ts";

const disk = (...list: readonly [number: number, epoch: number, client?: string][]): readonly GuestRecord[] =>
  list.map(([number, epoch, client = "bench"], index) => ({ index, number, epoch, boot: epoch, client }));

test("a number is lost where it was acknowledged and no record of this client holds it", () => {
  const records = disk([1, 1], [0, 1, "tick"], [3, 2], [2, 2, "another"]);
  expect(lostNumbers(records, "bench", [1, 2, 3])).toEqual([2]);
  expect(lostNumbers(records, "bench", [])).toEqual([]);
});

test("an old copy that writes after the new one has written is found by its epoch", () => {
  expect(revenants(disk([1, 1], [2, 1], [3, 2], [4, 3]))).toEqual([]);
  expect(revenants(disk([1, 1], [2, 2], [0, 1, "tick"], [3, 2], [0, 1, "tick"]))).toEqual([1]);
});
