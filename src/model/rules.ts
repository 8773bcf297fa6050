import { z } from "zod";
import { brandedText, schema1, wallMs } from "./branded.ts";
import type { HostId, RuleId, VmId } from "./ids.ts";

const common = {
  schema: schema1,
  id: brandedText<RuleId>(),
  vms: z.array(brandedText<VmId>()).min(1),
  /** A rule that is off is kept, checked by nobody and followed by nobody. */
  enabled: z.boolean(),
  comment: z.string(),
  createdAt: wallMs,
};

/**
 * `/rules/R/`: where VMs may run. `host-affinity`: on these hosts, the larger priority first; strict: nowhere else, else
 * other hosts come last. `vm-affinity`: together on one host, or each on another.
 */
export const ruleSchema = z.discriminatedUnion("kind", [
  z.object({
    ...common,
    kind: z.literal("host-affinity"),
    hosts: z.array(z.object({ host: brandedText<HostId>(), priority: z.int().min(0) })).min(1),
    strict: z.boolean(),
  }),
  z.object({ ...common, kind: z.literal("vm-affinity"), affinity: z.enum(["together", "apart"]) }),
]);
export type Rule = z.infer<typeof ruleSchema>;
export type HostAffinityRule = Extract<Rule, { kind: "host-affinity" }>;
export type VmAffinityRule = Extract<Rule, { kind: "vm-affinity" }>;

/** `/last/rule-edit/`, `/last/vm-deletion/`: only their revisions count. */
export const lastEditSchema = z.object({ schema: schema1, requestId: z.string() });
export type LastEdit = z.infer<typeof lastEditSchema>;
