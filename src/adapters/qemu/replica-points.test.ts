import { expect, test } from "vitest";
import type { VmId } from "../../model/ids.ts";
import type { Receiving } from "./replica-daemon.ts";
import { whileRead } from "./replica-points.ts";

test("[S20] who waits until a point can be read counts as one who reads: no cycle that is sealed meanwhile drops it", async () => {
  let over: () => void = () => undefined;
  const queue = new Promise<void>((resolve) => {
    over = resolve;
  });
  const receiving: Receiving = {
    ...{ vm: "vm:none" as VmId, daemon: undefined, prepared: undefined, merge: undefined, readers: 0 },
    ...{ closeDoors: () => undefined, queue },
  };
  let hasRead = false;
  const reading = whileRead("/nowhere", receiving, async () => {
    hasRead = true;
    expect(receiving.readers).toBe(1);
  });
  expect([receiving.readers, hasRead]).toEqual([1, false]);
  over();
  await reading;
  expect([receiving.readers, hasRead]).toEqual([0, true]);
});
