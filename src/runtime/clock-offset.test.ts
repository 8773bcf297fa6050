import { expect, test } from "vitest";
import { StoredRecords } from "../../test/support/stored-records.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { ClockOffset } from "./clock-offset.ts";

/** Ticks that were sent by a clock which is `behindMs` behind, each after another delay. */
function heardFrom(behindMs: number, delays: readonly number[]): ClockOffset {
  const records = new StoredRecords();
  const offset = new ClockOffset();
  for (const [i, delay] of delays.entries()) {
    const sent = 1_000_000 + i * 500;
    records.put(keys.managerTick, { schema: 1, term: 1, tick: i, at: sent - behindMs });
    offset.heard(records.view, (sent + delay) as WallMs);
    // The same tick once more says nothing.
    offset.heard(records.view, (sent + delay + 400) as WallMs);
  }
  return offset;
}

const delays = Array.from({ length: 21 }, (_, i) => (i === 13 ? 2 : 300 + i));

test("the least delayed of many ticks tells how far two clocks are apart", () => {
  expect(heardFrom(2_100, delays).offsetMs).toBe(2_000);
  expect(heardFrom(-7_700, delays).offsetMs).toBe(-7_500);
  expect(heardFrom(0, delays).offsetMs).toBe(0);
});

test("before enough of them came, nothing is said", () => {
  expect(heardFrom(9_000, delays.slice(0, 20)).offsetMs).toBe(null);
});
