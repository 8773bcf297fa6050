import { z } from "zod";
import { policySchema, shutdownPolicySchema } from "../../model/policy.ts";
import { checkSchema } from "../../model/reason.ts";
import { acceptSchema, asOfMsSchema, base, bearsLessSchema, requestIdSchema } from "./base.ts";

export const policyOutputSchema = policySchema.omit({ schema: true });
export type PolicyOutput = z.infer<typeof policyOutputSchema>;

const dayMs = 86_400_000;

/** What is not named stays as it is. */
const policyPatchSchema = z.strictObject({
  /** Memory that is kept for each host itself. */
  hostReserveMiB: z.int().min(0).max(1_073_741_824).optional(),
  shutdownPolicy: shutdownPolicySchema.optional(),
  scheduler: z
    .strictObject({
      mode: z.enum(["basic", "static", "dynamic"]).optional(),
      rebalanceOnStart: z.boolean().optional(),
      autoRebalance: z
        .strictObject({
          enabled: z.boolean().optional(),
          method: z.enum(["bruteforce", "topsis"]).optional(),
          threshold: z.number().min(0).max(10).optional(),
          holdMs: z.int().min(0).max(dayMs).optional(),
          margin: z.number().min(0).max(1).optional(),
        })
        .optional(),
    })
    .optional(),
  quarantine: z
    .strictObject({
      losses: z.int().min(0).max(100).optional(),
      windowMs: z
        .int()
        .min(1)
        .max(30 * dayMs)
        .optional(),
      holdMs: z
        .int()
        .min(0)
        .max(30 * dayMs)
        .optional(),
    })
    .optional(),
  wantedHostLosses: z.int().min(0).max(100).optional(),
  moveAttemptsMax: z.int().min(1).max(100).optional(),
  movesPerHostMax: z.int().min(1).max(100).optional(),
  /** How guests move while they run. */
  migration: z
    .strictObject({
      /** Kinds of links or subnets in the order in which they are tried, and no others; empty: the default order. */
      links: z.array(z.string().min(1).max(100)).max(32).optional(),
      /** MiB a second of each move; null: what the link bears. */
      bandwidthMiBps: z.int().min(1).max(1_048_576).nullable().optional(),
      downtimeMs: z.int().min(1).max(60_000).optional(),
      tls: z.boolean().optional(),
    })
    .optional(),
  returnAfterMaintenance: z.enum(["always", "as-failback"]).optional(),
});
export type PolicyPatchInput = z.infer<typeof policyPatchSchema>;

export const policyContract = {
  show: base
    .route({ method: "GET", path: "/policy", summary: "What holds for the whole cluster" })
    .output(z.object({ asOfMs: asOfMsSchema, policy: policyOutputSchema, warnings: z.array(checkSchema) })),
  set: base
    .route({ method: "PATCH", path: "/policy", summary: "Change what holds for the whole cluster" })
    .input(policyPatchSchema.extend({ accept: acceptSchema, requestId: requestIdSchema }))
    .output(
      policyOutputSchema.extend({
        /** Where a reserve was set: hosts whose configuration names their memory for VMs, so that it changes nothing there. */
        reserveIgnoredBy: z.array(z.string()),
        bearsLess: bearsLessSchema,
      }),
    ),
};
