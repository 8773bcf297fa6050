import { expect, test } from "vitest";
import { must } from "../../base/assert.ts";
import { goodMood, type SimDevice } from "../fencing.ts";
import type { World } from "../world/world.ts";
import { machineFaults } from "./machines.ts";

test("troubles of a device that overlap are all over once each of them has healed, whichever ends first", () => {
  const device: SimDevice = { power: { isOn: () => true, cut: () => undefined }, mood: goodMood };
  const world = { devices: new Map([["h1", device]]) } as unknown as World;
  const strike = (name: string, value: number) => {
    const kind = must(
      machineFaults.find((one) => one.name === name),
      name,
    );
    return kind.happens(world, { kind: name, atMs: 0, host: "h1", value }, {} as never) as () => void;
  };
  const slow = strike("device-slow", 26_000);
  const away = strike("device-unreachable", 0);
  expect(device.mood).toEqual({ ...goodMood, delayMs: 26_000, unreachable: true });
  slow();
  expect(device.mood).toEqual({ ...goodMood, unreachable: true });
  away();
  expect(device.mood).toEqual(goodMood);
});
