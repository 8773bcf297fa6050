import { expect, test } from "vitest";
import { playSeed } from "../../tools/sim/play.ts";

/** One test per seed: a failure shows the rule and the end of the story. */
export function playSeeds(first: number, count: number): void {
  test.each(Array.from({ length: count }, (_, i) => first + i))("seed %i holds", (seed) => {
    const { failure, trace } = playSeed(seed);
    expect(failure, trace.join("\n")).toBeNull();
  });
}
