import { rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isBranch } from "../../model/point-records.ts";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import { runCommand } from "../linux/command.ts";
import { isLainUpon } from "./replica-aside.ts";
import type { Receiving } from "./replica-daemon.ts";
import { type Received, type ReceivedVolume, readReceived, topOf, writeReceived } from "./replica-files.ts";
import { forgetPrepared } from "./replica-point-take.ts";
import { dropPoint } from "./replica-points.ts";

const mapMs = 60_000;
/** `depth` 0: what the image itself says, and not what lies below it. */
const mapSchema = z.array(z.object({ depth: z.int() }));

/**
 * S18, S20: a branch that nobody has copied over yet goes with the layer above it, so that its image is the one that is written
 * again: two images of a disk would take the room of two until the first cycle, or the next point, is there. Any other point goes
 * as it always does.
 */
export async function dropAnyPoint(runDir: string, receiving: Receiving, id: string): Promise<HypervisorEnd> {
  const { vm, daemon } = receiving;
  const received = readReceived(runDir, vm);
  if (received === undefined || !isJustKept(received, id) || !(await isBareTop(received, ["-U"])))
    return dropPoint(runDir, receiving, id);
  // Asked again, it may be done: while it is read, or not known who writes, nothing of it is taken away.
  if (receiving.readers > 0 || receiving.merge !== undefined) return refuse("replica-point-busy", { vm, point: id });
  const exports = await daemon?.exports();
  if (exports !== undefined && exports.length > 0) return dropPoint(runDir, receiving, id);
  if (daemon === undefined || exports === undefined)
    return { kind: "unknown", cause: `the storage daemon of ${vm} does not answer` };
  await forgetPrepared(runDir, receiving);
  // The next one, which is started as soon as the copy is received again, begins with what the files say.
  receiving.daemon = undefined;
  if (!(await daemon.quit())) return { kind: "unknown", cause: `the storage daemon of ${vm} does not end` };
  // Only now nothing of what was written is in anybody's memory alone.
  const now = readReceived(runDir, vm);
  if (now === undefined || !(await isBareTop(now, []))) return dropPoint(runDir, receiving, id);
  const gone = now.volumes.map((volume) => topOf(volume).path);
  writeReceived(runDir, { ...now, volumes: now.volumes.map(withoutTop), points: now.points.slice(0, -1) });
  for (const path of gone) rmSync(path, { force: true });
  return { kind: "done" };
}

/** It is the last point, and nothing else lies on its layer. */
function isJustKept(received: Received, id: string): boolean {
  const { points, volumes, cycles, laying } = received;
  const last = points.at(-1);
  if (last?.id !== id || !last.whole || !isBranch(last.origin) || cycles !== null || laying === true) return false;
  return volumes.every((volume) => !isLainUpon(received, volume, points.length - 1));
}

/** Nothing was written since the last point; false also where that cannot be read. */
async function isBareTop({ volumes }: Received, options: readonly string[]): Promise<boolean> {
  for (const volume of volumes) {
    const args = ["map", ...options, "--output=json", "-f", "qcow2", join(volume.folder, topOf(volume).file)];
    const end = await runCommand("qemu-img", args, { limitMs: mapMs });
    const found = end.status === 0 ? mapSchema.safeParse(JSON.parse(end.stdout)) : undefined;
    if (found?.data?.every(({ depth }) => depth > 0) !== true) return false;
  }
  return true;
}

/** What lies below it is written again, and bears no stamp. */
function withoutTop(volume: ReceivedVolume): ReceivedVolume {
  const layers = volume.layers.slice(0, -1);
  return {
    ...volume,
    layers: layers.map(({ stamp, ...layer }, i) =>
      stamp === undefined || i + 1 === layers.length ? layer : { ...layer, stamp },
    ),
  };
}
