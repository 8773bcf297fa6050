import { z } from "zod";
import { checkSchema } from "../../model/reason.ts";
import { asOfMsSchema, base } from "./base.ts";
import { hostSummarySchema } from "./host.ts";
import { vmSummarySchema } from "./vm.ts";

export const clusterStatusSchema = z.object({
  asOfMs: asOfMsSchema,
  /** Null: this host has not joined, or never read the store. */
  cluster: z.object({ id: z.string(), name: z.string() }).nullable(),
  answeredBy: z.string(),
  version: z.string(),
  manager: z.object({ host: z.string(), term: z.int() }).nullable(),
  hosts: z.array(hostSummarySchema),
  vms: z.array(vmSummarySchema),
  networks: z.array(z.object({ id: z.string(), name: z.string() })),
  /** Only what needs somebody's attention. */
  checks: z.array(checkSchema),
});
export type ClusterStatus = z.infer<typeof clusterStatusSchema>;

export const clusterContract = {
  status: base
    .route({ method: "GET", path: "/cluster/status", summary: "The cluster at a glance" })
    .output(clusterStatusSchema),
};
