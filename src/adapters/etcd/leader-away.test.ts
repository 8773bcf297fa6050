import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keepLeaderAway } from "./leader-away.ts";
import type { MaintenanceEnd } from "./maintenance.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(end: MaintenanceEnd<string | null>) {
  const world = { mine: true, silent: new Set<string>(), asked: [] as boolean[], told: [] as string[] };
  keepLeaderAway({
    maintenance: {
      moveLeader: async (away) => {
        world.asked.push(away("10.0.0.1:2379"));
        return end;
      },
    },
    isMine: () => world.mine,
    silent: () => world.silent,
    log: (code) => world.told.push(code),
  });
  return world;
}

test("asks nothing as long as every host is heard, or another manages", async () => {
  const world = watch({ kind: "done", value: "10.0.0.2:2379" });
  await vi.advanceTimersByTimeAsync(5_000);
  world.mine = false;
  world.silent.add("10.0.0.1");
  await vi.advanceTimersByTimeAsync(5_000);
  expect([world.asked, world.told]).toEqual([[], []]);
});

test("names a silent host's member, and says what came of it", async () => {
  const world = watch({ kind: "done", value: "10.0.0.2:2379" });
  world.silent.add("10.0.0.1");
  await vi.advanceTimersByTimeAsync(500);
  expect([world.asked, world.told]).toEqual([[true], ["store-leader-moved"]]);
  const refused = watch({ kind: "unknown", cause: "not-leader" });
  refused.silent.add("10.0.0.3");
  await vi.advanceTimersByTimeAsync(500);
  expect([refused.asked, refused.told]).toEqual([[false], ["store-leader-not-moved"]]);
});
