import { z } from "zod";
import { poolKindSchema } from "../../model/records.ts";
import { asOfMsSchema, base } from "./base.ts";

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
};
