import { expect, test } from "vitest";
import { emptyHost, loseHost } from "../support/forecast-rig.ts";

// As test/seeds/forecast.test.ts, over many more clusters.

const seeds = Array.from({ length: 200 }, (_, i) => `${i + 1_001}`);

test("[FC1] the forecast is what happens, in many clusters", () => {
  for (const play of [loseHost, emptyHost]) {
    for (const seed of seeds) {
      const { foreseen, happened } = play(seed);
      expect({ seed, places: happened }).toEqual({ seed, places: foreseen });
    }
  }
});
