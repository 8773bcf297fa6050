import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { moveUnderFaults } from "../../bench/migration/under-faults.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openTestLab, type TestLab, type TestVm } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const moves = 12;

describe("Live moves in which something goes wrong at any moment", () => {
  let lab: TestLab;
  let vm: TestVm;
  let writer: Writer;

  beforeAll(async () => {
    lab = await openTestLab();
    vm = await lab.guest("web", 50);
    writer = writeNumbers(lab.world.reach, vm.address, "faults");
    await writer.goesOn();
  });
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  });

  it("[S15] double runs 0, lost writes 0", async () => {
    const random = seededRandom("live moves with faults");
    const tally = await moveUnderFaults({ lab, vm, writer, random, log: (line) => console.info(line) }, moves);
    expect(tally).toMatchObject({ moves, doubleRuns: 0, lostWrites: 0 });
    expect(tally.succeeded).toBeGreaterThan(0);
  });
});
