import { oc } from "@orpc/contract";
import { z } from "zod";
import { paramsSchema, reasonSchema } from "../../model/reason.ts";

/** What every error carries: a code of `messages` and what fills its blanks. Never a finished sentence. */
export const troubleSchema = z.object({ code: z.string(), params: paramsSchema });
export type Trouble = z.infer<typeof troubleSchema>;

/**
 * REFUSED: nothing has changed and the same request will be refused again until something else changes.
 * UNAVAILABLE: the cluster's store gave no answer; a request with a `requestId` may be repeated as it is.
 */
export const base = oc.errors({
  REFUSED: { status: 409, data: troubleSchema },
  UNAVAILABLE: { status: 503, data: troubleSchema },
});

/** Repeating a request with the same id never does it twice: it gets the first one's answer. */
export const requestIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{8,64}$/u, "request-id-malformed")
  .optional();

/** Carried out although it breaks what the cluster bears now; without it such an edit is refused with what it would break. */
export const acceptSchema = z.boolean().optional();

/** What the cluster bears less once a VM runs that was down and starts by this; null: nothing, or the same was asked before. */
export const bearsLessSchema = reasonSchema.nullable();

/** Milliseconds since this host last heard from the store: how old the answer may be. Null: it never heard from it. */
export const asOfMsSchema = z.int().min(0).nullable();

/** Names what it is about by name or by id. */
export const nameOrIdSchema = z.string().min(1).max(200);

/** Milliseconds since 1970, for people. */
export const wallMsSchema = z.int().min(0);

/**
 * Means of the last half minute: cores in use (1.5: one and a half), and memory without page cache. Null: nobody measures
 * it, which is so as long as the scheduler does not compare hosts by it.
 */
export const usageSchema = z
  .object({ cores: z.number().min(0), memoryMiB: z.number().min(0), at: wallMsSchema })
  .nullable();
export type UsageOutput = z.infer<typeof usageSchema>;

/**
 * The VMs of the host that answers stand still, because no heartbeat of it was confirmed in time. `since`: when it was
 * noticed; null: before this process began. `why`: what keeps the host from beating; null: nothing any more.
 */
export const standstillSchema = z.object({ since: wallMsSchema.nullable(), why: troubleSchema.nullable() });
export type StandstillOutput = z.infer<typeof standstillSchema>;

/** How an availability group is, or one VM by it. */
export const groupStatusSchema = z.enum(["Normal", "Synchronizing", "Warning", "Paused", "Error"]);
