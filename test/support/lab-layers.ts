import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type GuestDisk, readGuestDisk } from "../../lab/guest/disk.ts";
import { readOpenedDisk } from "../../lab/guest/opened-disk.ts";

const layersSchema = z.object({ volumes: z.array(z.object({ layers: z.array(z.object({ file: z.string() })) })) });

/** What a guest finds on its disk, where other layers lie upon the image that it was made as. */
export function readLayered(image: string): GuestDisk {
  const beside = image.replace(/\.raw$/u, ".layers");
  const [volume] = existsSync(beside) ? layersSchema.parse(JSON.parse(readFileSync(beside, "utf8"))).volumes : [];
  const top = join(dirname(image), volume?.layers.at(-1)?.file ?? "");
  if (volume === undefined || top === image) return readGuestDisk(image);
  return readOpenedDisk(top);
}
