import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type GuestDisk, readGuestDisk } from "../../lab/guest/disk.ts";

const layersSchema = z.object({ volumes: z.array(z.object({ layers: z.array(z.object({ file: z.string() })) })) });

/** What a guest finds on its disk, where other layers lie upon the image that it was made as. */
export function readLayered(image: string): GuestDisk {
  const beside = image.replace(/\.raw$/u, ".layers");
  const [volume] = existsSync(beside) ? layersSchema.parse(JSON.parse(readFileSync(beside, "utf8"))).volumes : [];
  const top = join(dirname(image), volume?.layers.at(-1)?.file ?? "");
  if (volume === undefined || top === image) return readGuestDisk(image);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-layers-"));
  try {
    const flat = join(folder, "disk.raw");
    execFileSync("qemu-img", ["convert", "-U", "-f", "qcow2", "-O", "raw", top, flat]);
    return readGuestDisk(flat);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
