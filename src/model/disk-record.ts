import { z } from "zod";
import { brandedText } from "./branded.ts";
import type { PoolId, VolumeId } from "./ids.ts";

export const diskSchema = z.object({
  volume: brandedText<VolumeId>(),
  pool: brandedText<PoolId>(),
  sizeMiB: z.int().min(1),
  format: z.enum(["raw", "qcow2"]),
});
