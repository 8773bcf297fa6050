import { expect, test } from "vitest";
import { drawPlan } from "../../src/sim/draw-plan.ts";
import { withCopies } from "../../src/sim/with-copies.ts";
import { play } from "../../tools/sim/play.ts";

// Worlds in which the disks of two VMs are copied from one host to another, among all the faults that a seed draws: nothing
// that was acknowledged is missing where one of them starts, and nobody writes what it runs from (S16, S17, S19).

test.each(["1", "3", "9", "12"])("seed %s", (seed) => {
  expect(play(withCopies(drawPlan(seed))).report.failure).toBeNull();
});
