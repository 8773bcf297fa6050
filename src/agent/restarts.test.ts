import { describe, expect, test } from "vitest";
import { vm } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { Epoch, InstantMs } from "../model/ids.ts";
import { mayRestart, restartsInARow, restartWaitMs } from "./restarts.ts";

const epoch = (number: number): Epoch => number as Epoch;
const at = (ms: number): InstantMs => ms as InstantMs;
const three = { count: 3, startedAt: at(10_000), counted: epoch(7) };

describe("restarts in a row", () => {
  test("the first comes at once, the next two a second after the start before, then the pause doubles to a ceiling", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100].map(restartWaitMs);
    expect(waits).toEqual([0, 1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("a run that lasted a quiet minute starts the count anew", () => {
    expect(restartsInARow(three, at(10_000 + limits.quietRunMs))).toBe(3);
    expect(restartsInARow(three, at(10_001 + limits.quietRunMs))).toBe(0);
    expect(restartsInARow(undefined, at(0))).toBe(0);
  });

  test("[S14] as many as the VM allows; an end that is counted already is not counted again", () => {
    expect(mayRestart(three, vm("web", { maxRestart: 4 }), epoch(8), at(11_000))).toBe(true);
    expect(mayRestart(three, vm("web", { maxRestart: 3 }), epoch(8), at(11_000))).toBe(false);
    expect(mayRestart(three, vm("web", { maxRestart: 3 }), epoch(7), at(11_000))).toBe(true);
  });

  test("none where another try on this host cannot help; of what may pass it tries again", () => {
    const may = (refused: string) => mayRestart(undefined, vm("web", { maxRestart: 3 }), epoch(7), at(11_000), refused);
    expect(["vm-cpu-model-unknown", "vm-kernel-missing", "qemu-missing"].map(may)).toEqual([false, false, false]);
    expect(["vm-start-failed", "vm-image-locked", "vm-memory-short"].map(may)).toEqual([true, true, true]);
  });
});
