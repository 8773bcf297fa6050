import { expect, test } from "vitest";
import { figuresToRecord } from "./link-figures.ts";

const late = (latencyMs: number) => ({ latencyMs, mibPerSecond: null });
const slow = (mibPerSecond: number) => ({ latencyMs: null, mibPerSecond });

test("a link that was late is well again only clearly below what is needed, and is late only beyond it", () => {
  expect(figuresToRecord(undefined, late(1.2))).toEqual(late(1.2));
  expect(figuresToRecord(late(1.5), late(0.95))).toEqual(late(1.5));
  expect(figuresToRecord(late(1.5), late(0.7))).toEqual(late(0.7));
  expect(figuresToRecord(late(0.5), late(0.95))).toEqual(late(0.95));
  expect(figuresToRecord(late(0.5), late(1.5))).toEqual(late(1.5));
});

test("a link that was slow is well again only clearly above what is needed", () => {
  expect(figuresToRecord(slow(4), slow(6.5))).toEqual(slow(4));
  expect(figuresToRecord(slow(4), slow(9))).toEqual(slow(9));
  expect(figuresToRecord(slow(9), slow(4))).toEqual(slow(4));
});

test("a little more or less is the same; what is not known is something else", () => {
  expect(figuresToRecord(late(0.5), late(0.55))).toEqual(late(0.5));
  expect(figuresToRecord(late(0.5), { latencyMs: null, mibPerSecond: null })).toEqual({
    latencyMs: null,
    mibPerSecond: null,
  });
});
