import { expect, test } from "vitest";
import type { Epoch, Incarnation, VmId, VolumeId } from "../../model/ids.ts";
import { SimMirrorQemu, type SimRelayPort } from "./machine.ts";

const silent: SimRelayPort = { isAlive: true, write: () => undefined };
const answering: SimRelayPort = { isAlive: true, write: (_volume, _block, _value, done) => done("done") };

test("what its jobs had under way as they are taken away is over, and the next ones copy all", () => {
  const run = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
  const disk = new Map([1, 2, 3].map((block) => [block, block]));
  const qemu = new SimMirrorQemu(run, new Map([["disk" as VolumeId, disk]]), { after: (_ms, act) => act() });
  qemu.mirror(silent);
  let isAcknowledged = false;
  qemu.write(0, 7, 70, () => {
    isAcknowledged = true;
  });
  expect(isAcknowledged).toBe(false);
  qemu.end();
  expect(isAcknowledged).toBe(true);
  qemu.mirror(answering);
  expect(qemu.isWhole()).toBe(true);
});
