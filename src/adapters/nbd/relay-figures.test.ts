import { expect, test } from "vitest";
import { LinkMeter } from "./relay-figures.ts";

const mebibyte = 1024 * 1024;

test("the best answer of the last minute counts: what is busy for a while is no other link, and what stays late is", () => {
  const meter = new LinkMeter(0);
  for (const ms of [4, 0.52, 30]) meter.answered(ms);
  meter.look(9_999, 0);
  expect(meter.figures.latencyMs).toBe(null);
  meter.look(10_000, 0);
  expect(meter.figures.latencyMs).toBe(0.52);
  meter.answered(3);
  meter.look(20_000, 0);
  expect(meter.figures.latencyMs).toBe(0.52);
  // Nobody answered: what was known stays known.
  meter.look(30_000, 0);
  expect(meter.figures.latencyMs).toBe(0.52);
  for (let now = 40_000; now <= 80_000; now += 10_000) {
    meter.answered(3);
    meter.look(now, 0);
  }
  expect(meter.figures.latencyMs).toBe(3);
});

test("a rate is what was taken while more waited all the time", () => {
  const meter = new LinkMeter(0);
  for (let now = 100; now <= 10_000; now += 100) {
    meter.taken(mebibyte);
    // In the first five seconds nothing waits: how fast the link could be is not seen.
    meter.look(now, now <= 5_000 ? 0 : 2 * mebibyte);
  }
  expect(meter.figures.mibPerSecond).toBe(10);
  const idle = new LinkMeter(0);
  for (let now = 100; now <= 10_000; now += 100) {
    idle.taken(4_096);
    idle.look(now, 4_096);
  }
  expect(idle.figures.mibPerSecond).toBe(null);
});
