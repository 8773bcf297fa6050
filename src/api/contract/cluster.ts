import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { checkSchema } from "../../model/reason.ts";
import { asOfMsSchema, base, requestIdSchema, wallMsSchema } from "./base.ts";
import { hostSummarySchema } from "./host.ts";
import { vmSummarySchema } from "./vm.ts";

const disarmModeSchema = z.enum(["freeze", "ignore"]);

/** While it is there, nothing is started, moved, restarted or recovered. */
const disarmSchema = z.object({ mode: disarmModeSchema, by: actorSchema, at: wallMsSchema }).nullable();

export const clusterStatusSchema = z.object({
  asOfMs: asOfMsSchema,
  /** Null: this host has not joined, or never read the store. */
  cluster: z.object({ id: z.string(), name: z.string() }).nullable(),
  answeredBy: z.string(),
  version: z.string(),
  manager: z.object({ host: z.string(), term: z.int() }).nullable(),
  disarm: disarmSchema,
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
  disarm: base
    .route({ method: "POST", path: "/cluster/disarm", summary: "Let nothing be started, moved or recovered" })
    .input(
      z.object({
        /** `freeze`: VMs stay managed and wait; `ignore`: they count as not managed. */
        mode: disarmModeSchema,
        requestId: requestIdSchema,
      }),
    )
    .output(z.object({ disarm: disarmSchema })),
  arm: base
    .route({ method: "POST", path: "/cluster/arm", summary: "End a disarm" })
    .input(z.object({ requestId: requestIdSchema }))
    .output(z.object({ disarm: disarmSchema })),
};
