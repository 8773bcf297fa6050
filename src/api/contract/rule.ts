import { z } from "zod";
import { reasonSchema } from "../../model/reason.ts";
import {
  acceptSchema,
  asOfMsSchema,
  base,
  bearsLessSchema,
  nameOrIdSchema,
  requestIdSchema,
  wallMsSchema,
} from "./base.ts";

const affinitySchema = z.enum(["together", "apart"]);

const summary = {
  id: z.string(),
  /** Off: kept, and followed by nobody. */
  enabled: z.boolean(),
  comment: z.string(),
  createdAt: wallMsSchema,
  vms: z.array(z.object({ id: z.string(), name: z.string() })),
  /** Why it cannot be followed now; while this is not empty, it is not. */
  failing: z.array(reasonSchema),
};

export const ruleSummarySchema = z.discriminatedUnion("kind", [
  z.object({
    ...summary,
    /** On these hosts, the larger priority first. Strict: nowhere else; else other hosts come last. */
    kind: z.literal("host-affinity"),
    hosts: z.array(z.object({ id: z.string(), name: z.string(), priority: z.int() })),
    strict: z.boolean(),
  }),
  z.object({
    ...summary,
    /** All on one host, or each on another. */
    kind: z.literal("vm-affinity"),
    affinity: affinitySchema,
  }),
]);
export type RuleSummary = z.infer<typeof ruleSummarySchema>;

const ruleNameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{1,62}$/u, "rule-name-malformed");
const vmsSchema = z.array(nameOrIdSchema).min(1).max(1_000);
const hostsSchema = z
  .array(z.strictObject({ host: nameOrIdSchema, priority: z.int().min(0).max(1_000).default(0) }))
  .min(1)
  // Each host that is named is compared in the transaction, which takes 128 of them.
  .max(100);
const commentSchema = z.string().max(500);

const ruleInput = z.object({ rule: z.string().min(1).max(200) });
const ruleChange = ruleInput.extend({ accept: acceptSchema, requestId: requestIdSchema });
const ruleAnswer = z.object({ rule: ruleSummarySchema });
const ruleWritten = ruleAnswer.extend({ bearsLess: bearsLessSchema });

const addition = {
  rule: ruleNameSchema,
  vms: vmsSchema,
  enabled: z.boolean().default(true),
  comment: commentSchema.default(""),
  accept: acceptSchema,
  requestId: requestIdSchema,
};
const ruleAddSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...addition,
    kind: z.literal("host-affinity"),
    hosts: hostsSchema,
    strict: z.boolean().default(false),
  }),
  z.strictObject({ ...addition, kind: z.literal("vm-affinity"), affinity: affinitySchema }),
]);
export type RuleAddInput = z.input<typeof ruleAddSchema>;

export const ruleContract = {
  add: base
    .route({ method: "POST", path: "/rules", summary: "Add a rule on where VMs run; refused where it cannot hold" })
    .input(ruleAddSchema)
    .output(ruleWritten),
  list: base
    .route({ method: "GET", path: "/rules", summary: "All rules, and which of them fail" })
    .input(z.object({ vm: nameOrIdSchema.optional() }))
    .output(z.object({ asOfMs: asOfMsSchema, rules: z.array(ruleSummarySchema) })),
  show: base
    .route({ method: "GET", path: "/rules/{rule}", summary: "One rule" })
    .input(ruleInput)
    .output(z.object({ asOfMs: asOfMsSchema, rule: ruleSummarySchema })),
  set: base
    .route({ method: "PATCH", path: "/rules/{rule}", summary: "Change a rule; refused where it cannot hold" })
    .input(
      ruleChange.extend({
        enabled: z.boolean().optional(),
        comment: commentSchema.optional(),
        /** All its VMs anew; `addVms` and `removeVms` change some. */
        vms: vmsSchema.optional(),
        addVms: vmsSchema.optional(),
        removeVms: vmsSchema.optional(),
        hosts: hostsSchema.optional(),
        strict: z.boolean().optional(),
        affinity: affinitySchema.optional(),
      }),
    )
    .output(ruleWritten),
  remove: base
    .route({ method: "DELETE", path: "/rules/{rule}", summary: "Remove a rule" })
    .input(ruleChange)
    .output(z.object({ id: z.string(), bearsLess: bearsLessSchema })),
};
