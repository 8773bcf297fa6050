import { expect, test } from "vitest";
import { progressOfCopy } from "./replica-progress.ts";

const mebibyte = 1024 * 1024;
const job = (lenMiB: number, offsetMiB: number, ready = false) => ({
  len: lenMiB * mebibyte,
  offset: offsetMiB * mebibyte,
  ready,
});

test("over all volumes, and by what was left at the last look", () => {
  const first = progressOfCopy([job(100, 25), job(100, 25)], undefined, 0);
  expect(first.progress).toEqual({ percent: 25, remainingMiB: 150, mibPerSecond: 0 });
  const next = progressOfCopy([job(100, 50), job(100, 50)], { at: 0, bytes: first.leftBytes }, 2_000);
  expect(next.progress).toEqual({ percent: 50, remainingMiB: 100, mibPerSecond: 25 });
});

test("100 only once nothing is left and every job says that it is ready", () => {
  expect(progressOfCopy([job(100, 100), job(100, 100, true)], undefined, 0).progress.percent).toBe(99);
  expect(progressOfCopy([job(100, 100, true), job(100, 100, true)], undefined, 0).progress.percent).toBe(100);
});

test("a guest that writes faster than is copied shows no negative speed", () => {
  expect(progressOfCopy([job(110, 50)], { at: 0, bytes: 50 * mebibyte }, 1_000).progress.mibPerSecond).toBe(0);
});
