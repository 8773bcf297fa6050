import { z } from "zod";
import { reasonSchema } from "../../model/reason.ts";
import { base, requestIdSchema } from "./base.ts";

const named = z.object({ id: z.string(), name: z.string() });

export const takeoverOutputSchema = z.object({
  /**
   * Whom the store goes on without, and how it is known that they are off; null: not asked yet. `device`: a power controller is
   * on record, which is asked first, and switches it off.
   */
  lost: z.array(named.extend({ proof: z.enum(["power-off", "word"]).nullable(), device: z.boolean() })),
  /** Every VM that a lost host had; `why`: what keeps it from starting here, null: it starts. `loss`: what it may then lack. */
  vms: z.array(named.extend({ from: named, why: reasonSchema.nullable(), loss: reasonSchema.nullable() })),
  /** False: it was only looked at what it would mean. */
  done: z.boolean(),
});
export type TakeoverOutput = z.infer<typeof takeoverOutputSchema>;

export const takeoverInputSchema = z.object({
  claim: z.enum(["peer-is-off", "others-are-off"]),
  /** Typed where no device confirms: `NAME-off`. */
  word: z.string().max(1_000).optional(),
  /** Whoever asks has seen what the VMs that start may lack. */
  accept: z.boolean().optional(),
  /** Shows what it would mean, and asks nobody but the links. */
  dryRun: z.boolean().optional(),
  requestId: requestIdSchema,
});

export const takeover = base
  .route({ method: "POST", path: "/cluster/takeover", summary: "Go on without members that are off" })
  .input(takeoverInputSchema)
  .output(takeoverOutputSchema);
