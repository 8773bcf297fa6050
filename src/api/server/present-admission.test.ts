import { expect, test } from "vitest";
import { Records } from "../../../test/support/records.ts";
import { presentAdmission } from "./present-admission.ts";
import type { Tracker } from "./tracker.ts";

/** Each look at the clock is the next of these moments. */
function clockOf(...moments: number[]): Tracker {
  const tracker = { contact: () => "up", wall: () => moments.shift() };
  return tracker as unknown as Tracker;
}

test("[PL6] how many losses are borne is kept for fifty times what it took, where that was long", () => {
  const records = new Records().host("h1").host("h2");
  const told = (...moments: number[]) => presentAdmission(records.view, clockOf(...moments)).hosts;
  expect(told(1_000, 1_040)).toBe(2);
  records.host("h3");
  expect(told(2_999)).toBe(2);
  expect(told(3_000, 3_001)).toBe(3);
  // That took no time: the next answer is of its moment.
  records.host("h4");
  expect(told(3_002, 3_003)).toBe(4);
});
