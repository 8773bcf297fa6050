import { describe, expect, test } from "vitest";
import { bindVms, type Compared, emptyHost, loseHost } from "../support/forecast-rig.ts";

// What is foreseen and what the manager then does, over clusters drawn at random, with the product's own daemons.

const seeds = Array.from({ length: 12 }, (_, i) => `${i + 1}`);

function expectForeseen(play: (seed: string) => Compared, ...seen: readonly string[]): void {
  const becomes = new Set<string>();
  for (const seed of seeds) {
    const compared = play(seed);
    expect({ seed, places: compared.happened }).toEqual({ seed, places: compared.foreseen });
    for (const one of compared.becomes) becomes.add(one);
  }
  expect([...becomes]).toEqual(expect.arrayContaining([...seen]));
}

describe("[FC1] the forecast is what happens", () => {
  test("to the VMs of a host that loses its power", () => expectForeseen(loseHost, "restarts", "waits"));
  test("to the VMs of a host in maintenance", () => expectForeseen(emptyHost, "moves", "stays"));
  test("[FC2] to the VMs that a rule binds, as the guard of edits foresees it", () =>
    expectForeseen(bindVms, "moves", "stays"));
});
