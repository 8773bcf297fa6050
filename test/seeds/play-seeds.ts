import { expect, test } from "vitest";
import type { SeedLayout } from "../../src/sim/plan.ts";
import { playSeed } from "../../tools/sim/play.ts";

/** One test per seed: a failure shows the rule and the end of the story. */
export function playSeeds(first: number, count: number, layout: SeedLayout = "many"): void {
  test.each(Array.from({ length: count }, (_, i) => first + i))(`seed %i of ${layout} holds`, (seed) => {
    const { failure, trace } = playSeed(seed, layout);
    expect(failure, trace.join("\n")).toBeNull();
  });
}
