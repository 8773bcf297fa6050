import { z } from "zod";
import type { WallMs } from "./ids.ts";

// The building stones of records: ids and counts keep their brands through parsing.

export const brandedText = <T extends string>() =>
  z
    .string()
    .min(1)
    .transform((text) => text as T);
export const brandedNumber = <T extends number>() =>
  z
    .int()
    .min(0)
    .transform((number) => number as T);
export const wallMs = brandedNumber<WallMs>();
export const schema1 = z.literal(1);

/** Who asked for something. */
export const actorSchema = z.object({
  name: z.string(),
  role: z.enum(["admin", "operator", "viewer", "system"]),
  requestId: z.string(),
});
export type Actor = z.infer<typeof actorSchema>;
