import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { moveUnderFaults } from "../../bench/migration/under-faults.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openWritingGuest, type WritingGuest } from "../support/writing-guest.ts";

const moves = 12;

describe("Live moves in which something goes wrong at any moment", () => {
  let guest: WritingGuest;

  beforeAll(async () => {
    guest = await openWritingGuest({ client: "faults" });
  });
  afterAll(() => guest?.close());

  it("[S15] double runs 0, lost writes 0", async () => {
    const random = seededRandom("live moves with faults");
    const { lab, web: vm, writer } = guest;
    const tally = await moveUnderFaults({ lab, vm, writer, random, log: (line) => console.info(line) }, moves);
    expect(tally).toMatchObject({ moves, doubleRuns: 0, lostWrites: 0 });
    expect(tally.succeeded).toBeGreaterThan(0);
  });
});
