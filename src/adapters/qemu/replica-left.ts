import { existsSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { Epoch, VmId } from "../../model/ids.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { Qmp } from "./qmp.ts";
import { type ReceivedVolume, readDurable, stampSchema, topOf, writeDurably } from "./replica-files.ts";
import { stampOf } from "./replica-identity.ts";

// What a run that was handed over to another host leaves in its images: everything up to that moment, flushed, and nothing
// after it. Its next owner sends only what it has written since, where that is still so (S15, S21).

const leftSchema = z.object({ schema: z.literal(1), vm: z.string(), epoch: z.int(), stamp: stampSchema });

const nodesSchema = z.array(z.object({ drv: z.string(), file: z.string() }));

/** Only once QEMU has sent the guest whole: by then it has flushed its images and let go of them for good. */
export async function noteLeft({ vm, epoch }: VmRun, qmp: Qmp): Promise<void> {
  const end = await qmp.execute("query-named-block-nodes", { flat: true });
  const nodes = end.kind === "done" ? nodesSchema.safeParse(end.value) : undefined;
  for (const { drv, file } of nodes?.data ?? []) {
    if (drv !== "file" || !existsSync(file)) continue;
    const [folder, name] = [dirname(file), basename(file)];
    writeDurably(join(folder, `${name}.left`), { schema: 1, vm, epoch, stamp: stampOf(folder, name) });
  }
}

/** The image is what the epoch right before this one left. */
export function isUntouched(volume: ReceivedVolume, vm: VmId, epoch: Epoch): boolean {
  const { folder, file } = { ...topOf(volume), folder: volume.folder };
  const left = readDurable(join(folder, `${file}.left`), leftSchema);
  if (left === undefined || left.vm !== vm || left.epoch !== epoch - 1 || !existsSync(join(folder, file))) return false;
  const { inode, bytes, changedMs } = stampOf(folder, file);
  return left.stamp.inode === inode && left.stamp.bytes === bytes && left.stamp.changedMs === changedMs;
}

/** It is about to be written. */
export function forgetLeft(volume: ReceivedVolume): void {
  rmSync(join(volume.folder, `${topOf(volume).file}.left`), { force: true });
}
