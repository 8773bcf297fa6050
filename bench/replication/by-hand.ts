import { join } from "node:path";
import { mirrorByHand, startHandDaemon } from "./hand-mirror.ts";
import type { Mirrored } from "./measure.ts";
import { fill, makeImage, type Rig, startMachine } from "./rig.ts";

/** The same disk and the same copy of it, by hand. */
export async function openByHand(rig: Rig): Promise<Mirrored> {
  const machine = await startMachine(rig, "hand");
  await fill(machine.guest, rig.sizeMiB);
  const image = join(rig.folder, "pool-b", "hand.qcow2");
  makeImage(rig, image);
  const daemon = await startHandDaemon(rig.folder, image, "qcow2");
  return {
    guest: machine.guest,
    copy: async () => {
      const began = performance.now();
      await mirrorByHand(machine.qmp);
      return performance.now() - began;
    },
    close: async () => {
      await machine.close();
      await daemon.close();
    },
  };
}
