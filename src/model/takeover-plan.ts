import { z } from "zod";
import { brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import type { HostId, Incarnation, Revision } from "./ids.ts";

/**
 * What a host notes of a takeover right before it forces the store, beside its member's data: who was proven to be off, in which
 * life, and when. So whichever of its daemons finds that not all is written knows what the rest is (S24).
 */
export const takeoverPlanSchema = z.object({
  schema: schema1,
  at: wallMs,
  /** By a device alone, without anybody's order (S23). */
  byItself: z.boolean(),
  lost: z.array(
    z.object({
      host: brandedText<HostId>(),
      proof: z.enum(["power-off", "word"]),
      /** Null: it was never registered. */
      incarnation: brandedNumber<Incarnation>().nullable(),
      /** Of the last heartbeat of that life; null: none is known. */
      beat: brandedNumber<Revision>().nullable(),
    }),
  ),
});
export type TakeoverPlan = z.infer<typeof takeoverPlanSchema>;
