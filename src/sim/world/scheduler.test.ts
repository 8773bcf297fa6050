import { expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { Scheduler } from "./scheduler.ts";

test("entries run by time, those of one time in the order of asking", () => {
  const scheduler = new Scheduler();
  const random = seededRandom("scheduler");
  const wanted = Array.from({ length: 500 }, (_, i) => ({ at: random.below(50), i }));
  const ran: { at: number; i: number }[] = [];
  for (const entry of wanted) scheduler.at(entry.at, () => ran.push(entry));
  while (scheduler.step(1_000));
  expect(ran).toEqual([...wanted].sort((a, b) => a.at - b.at || a.i - b.i));
});

test("what was cancelled never runs, what lies behind the limit waits", () => {
  const scheduler = new Scheduler();
  const ran: string[] = [];
  scheduler.after(5, () => ran.push("cancelled")).run = undefined;
  scheduler.after(7, () => ran.push("due"));
  scheduler.after(20, () => ran.push("later"));
  while (scheduler.step(10));
  expect(ran).toEqual(["due"]);
  expect(scheduler.now).toBe(7);
});
