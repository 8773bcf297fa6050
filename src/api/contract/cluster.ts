import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { checkSchema, reasonSchema } from "../../model/reason.ts";
import { asOfMsSchema, base, requestIdSchema, wallMsSchema } from "./base.ts";
import { hostSummarySchema } from "./host.ts";
import { takeover } from "./takeover.ts";
import { taskSchema } from "./task.ts";
import { vmSummarySchema } from "./vm.ts";

const disarmModeSchema = z.enum(["freeze", "ignore"]);

/** While it is there, nothing is started, moved, restarted or recovered. */
const disarmSchema = z.object({ mode: disarmModeSchema, by: actorSchema, at: wallMsSchema }).nullable();

/** How many hosts may be lost at once, whichever they are, and every started VM finds another. */
const admissionSchema = z.object({
  /** Hosts that are there now, of how many members that are no witnesses. 0 are there: it is not known. */
  hosts: z.int(),
  members: z.int(),
  bears: z.int(),
  /** The policy's `wantedHostLosses`. */
  wanted: z.int(),
  /** Whether every combination of hosts was looked at, or only the one that takes the most memory. */
  exact: z.boolean(),
  /** The first loss that is not borne; null: none was found among those that were looked at. */
  counterexample: z
    .object({
      losing: z.array(z.string()),
      /** The first VM that would find no host; null: none would. */
      vm: z.string().nullable(),
      why: reasonSchema,
      /** One change with which this loss would be borne, tried out; null: none was found. */
      fix: reasonSchema.nullable(),
    })
    .nullable(),
});

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
  /** What is under way. */
  tasks: z.array(taskSchema),
  networks: z.array(z.object({ id: z.string(), name: z.string() })),
  admission: admissionSchema,
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
  takeover,
  arm: base
    .route({ method: "POST", path: "/cluster/arm", summary: "End a disarm" })
    .input(z.object({ requestId: requestIdSchema }))
    .output(z.object({ disarm: disarmSchema })),
};
