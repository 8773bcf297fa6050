import { z } from "zod";
import { actorSchema, brandedNumber, schema1, wallMs } from "./branded.ts";
import type { Incarnation } from "./ids.ts";
import { fenceDeviceSchema, memberSchema } from "./records.ts";

/**
 * `/hosts/H/removed/`: H is no member any more (HM7). Written by the one transaction that takes all else of it away; stays until
 * H, taken back, has registered anew.
 */
export const removedHostSchema = z.object({
  schema: schema1,
  /** As it was, with its power controller: for a host that is taken back. */
  member: memberSchema,
  device: fenceDeviceSchema.nullable(),
  /** The last of its lives, 0: there was none. The next one bears a higher number (S1). */
  incarnation: brandedNumber<Incarnation>(),
  /** `voting`: its member of the store still has to be taken out of it. */
  store: z.enum(["voting", "left"]),
  /** Null: its machine is turned away. Else it may register, once. */
  takenBackAt: wallMs.nullable(),
  by: actorSchema,
  at: wallMs,
});
export type RemovedHost = z.infer<typeof removedHostSchema>;
