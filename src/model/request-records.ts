import { z } from "zod";
import { brandedText, schema1, wallMs } from "./branded.ts";
import type { HostId, IntentId, PoolId, RuleId, TaskId, VmId, VolumeId } from "./ids.ts";

/** What a request came to. A task's and an intent's further course stands in their own records. */
const outcomeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("vm-created"), vm: brandedText<VmId>(), name: z.string() }),
  z.object({
    kind: z.literal("vm-changed"),
    vm: brandedText<VmId>(),
    name: z.string(),
    /** The name of the host of a move that nothing becomes of through the change. Absent: there is none. */
    moveVoided: z.string().optional(),
  }),
  z.object({
    kind: z.literal("vm-deleted"),
    vm: brandedText<VmId>(),
    name: z.string(),
    disks: z.array(z.object({ volume: brandedText<VolumeId>(), pool: brandedText<PoolId>() })),
  }),
  z.object({
    kind: z.literal("host-changed"),
    host: brandedText<HostId>(),
    name: z.string(),
    /** Names of VMs whose moves it called off. */
    calledOff: z.array(z.string()).optional(),
  }),
  z.object({ kind: z.literal("cluster-changed") }),
  z.object({ kind: z.literal("task"), vm: brandedText<VmId>(), task: brandedText<TaskId>() }),
  z.object({ kind: z.literal("rule-written"), rule: brandedText<RuleId>() }),
  z.object({ kind: z.literal("rule-removed"), rule: brandedText<RuleId>() }),
  z.object({ kind: z.literal("intent"), vm: brandedText<VmId>(), name: z.string(), intent: brandedText<IntentId>() }),
  z.object({
    kind: z.literal("host-intent"),
    host: brandedText<HostId>(),
    name: z.string(),
    intent: brandedText<IntentId>(),
  }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/**
 * `/requests/R/`: written in the transaction of what was asked, so that the same request repeated, or one whose commit
 * had no answer, is never carried out twice. Removed after a day.
 */
export const requestSchema = z.object({
  schema: schema1,
  /** The procedure and its input as text: another request with the same id is a mistake of the caller. */
  asked: z.string(),
  outcome: outcomeSchema,
  at: wallMs,
});
