import { z } from "zod";
import { poolKindSchema } from "../../model/records.ts";
import { acceptSchema, asOfMsSchema, base, nameOrIdSchema, requestIdSchema } from "./base.ts";

export const poolSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  kind: poolKindSchema,
  path: z.string(),
  quotaMiB: z.int().nullable(),
  /** What the VMs' disks may grow to in all. */
  promisedMiB: z.int(),
  /** As each host last measured it; a host that is missing has not said. */
  hosts: z.array(z.object({ host: z.string(), capacityMiB: z.int(), freeMiB: z.int(), unfit: z.string().nullable() })),
});
export type PoolSummary = z.infer<typeof poolSummarySchema>;

export const poolContract = {
  list: base
    .route({ method: "GET", path: "/pools", summary: "Where disks may lie" })
    .output(z.object({ asOfMs: asOfMsSchema, pools: z.array(poolSummarySchema) })),
  set: base
    .route({ method: "PATCH", path: "/pools/{pool}", summary: "Change what may lie in a pool" })
    .input(
      z.strictObject({
        pool: nameOrIdSchema,
        /** MiB that all disks in it may grow to in sum; null: what the storage has. */
        quotaMiB: z.int().min(1).max(1_099_511_627_776).nullable(),
        accept: acceptSchema,
        requestId: requestIdSchema,
      }),
    )
    .output(poolSummarySchema),
};
