import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { must } from "../../src/base/assert.ts";
import { endHandQemu, handTls, imageOf, moveByHand, startHandQemu } from "../migration/hand-qemu.ts";
import { diskMiB, type Rig } from "../migration/rig.ts";
import type { Switching } from "./calls.ts";
import { endMirrorByHand, type HandDaemon, mirrorByHand, startHandDaemon } from "./hand-mirror.ts";

/** By commands alone: each time everything is copied anew. */
export async function openSwitchByHand(rig: Rig, name: string): Promise<Switching> {
  let epoch = 1;
  let source = await startHandQemu(rig, name, epoch, false);
  let daemon: HandDaemon | undefined;
  const tlsOf = handTls(rig);
  return {
    mirror: async () => {
      const copy = imageOf(rig, name, epoch + 1);
      rmSync(copy, { force: true });
      writeFileSync(copy, "");
      truncateSync(copy, diskMiB * 1024 * 1024);
      daemon = await startHandDaemon(rig.folder, copy, "raw");
      await mirrorByHand(source.qmp);
    },
    move: async () => {
      const began = performance.now();
      const mirrored = must(daemon, "Cannot switch: there is no copy");
      const target = await startHandQemu(rig, name, epoch + 1, true);
      const ends = { source, target, tls: tlsOf(epoch) };
      await moveByHand(ends, { paused: () => endMirrorByHand(ends.source.qmp, mirrored) });
      const tookMs = performance.now() - began;
      await endHandQemu(source);
      await mirrored.close();
      [source, epoch] = [target, epoch + 1];
      return tookMs;
    },
    close: async () => {
      await endHandQemu(source);
      await daemon?.close();
    },
  };
}
