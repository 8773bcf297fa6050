import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LabHost } from "./host.ts";
import { keepBooted } from "./keeper.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-keeper-"));
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

test("a host whose boot came to nothing is booted again as long as its switch is on", async () => {
  const said: string[] = [];
  const ends: (() => void)[] = [];
  const failing = [false, true, true, false];
  const host = {
    name: "h1",
    isOn: true,
    isUp: false,
    boots: 0,
    plan: { cgroup: join(folder, "none") },
    boot: async (ended: () => void) => {
      if (failing.shift() === true) throw new Error("a cable is in the way");
      host.isUp = true;
      ends.push(ended);
    },
  };
  const keeper = keepBooted([host as unknown as LabHost], folder, (line) => said.push(line));
  await keeper.start();
  expect(host.isUp).toBe(true);
  host.isUp = false;
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(host.isUp).toBe(true);
  expect(said).toEqual(Array.from({ length: 2 }, () => "h1 does not boot: a cable is in the way"));
  await keeper.stop();
});
