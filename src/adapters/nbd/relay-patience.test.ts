import { expect, test } from "vitest";
import { patienceAfter, patienceWithSilence } from "./relay-patience.ts";

test("whoever kept no chance gets twice as long after each two, up to a limit", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 100].map(patienceAfter)).toEqual([1, 1, 2, 2, 4, 4, 8, 8, 8]);
});

test("[S17] the first connection, and each after one that answered, is silent for no longer than usual", () => {
  expect([0, 1, 2, 3, 4, 5].map((inVain) => patienceWithSilence(inVain, false))).toEqual([1, 1, 2, 4, 8, 8]);
});

test("[S25] a guest whose relay lets go by itself never waits for longer than usual", () => {
  expect([0, 1, 2, 3, 4, 5].map((inVain) => patienceWithSilence(inVain, true))).toEqual([1, 1, 1, 1, 1, 1]);
});
