import { eventIterator } from "@orpc/contract";
import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { copyingSchema } from "../../model/move-records.ts";
import { reasonSchema } from "../../model/reason.ts";
import { asOfMsSchema, base, troubleSchema, wallMsSchema } from "./base.ts";

const taskCopyingSchema = copyingSchema.extend({
  /** How long the copying still takes at the speed of now; null: not known yet. */
  remainingMs: z.int().nullable(),
});

export const taskSchema = z.object({
  id: z.string(),
  /** `copy-vm`: its disks are copied to the host of its group that protects it; nobody ordered that one by itself. */
  kind: z.enum(["start-vm", "stop-vm", "delete-vm", "move-vm", "copy-vm"]),
  vm: z.string(),
  vmName: z.string(),
  /** The host that a move goes to. */
  to: z.string().nullable(),
  toName: z.string().nullable(),
  percent: z.int(),
  /** Of a guest that moves while it runs: how many moves of the same hosts it waits for, itself counted; null: for none. */
  queue: z.int().nullable(),
  /** Of a VM that is to leave its host and is not on its way, which no order or move tells of: what it waits for, or of one that no host can start now: why; null: it is none. */
  waits: troubleSchema.nullable(),
  /** Of a guest that moves while it runs: how its copying goes; null: nothing is being copied. */
  copying: taskCopyingSchema.nullable(),
  /** The host that is not heard any more, whose last word `copying` is; null: it is of now. */
  lastWordOf: z.string().nullable(),
  /** Of a guest that moves while it runs: why it is stopped before its memory is copied; null: it is not. */
  stoppedFirst: reasonSchema.nullable(),
  /** Null while it runs. */
  end: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("done"), at: wallMsSchema }),
      z.object({
        kind: z.literal("failed"),
        at: wallMsSchema,
        ...troubleSchema.shape,
        /** Of an order that was dropped: what was in the way. */
        why: reasonSchema.optional(),
      }),
    ])
    .nullable(),
  actor: actorSchema,
  /** Why it moves; null: it does not, or not yet. */
  reason: reasonSchema.nullable(),
  at: wallMsSchema,
});
export type TaskOutput = z.infer<typeof taskSchema>;

const input = z.object({ task: z.string().min(1) });

export const taskContract = {
  list: base
    .route({ method: "GET", path: "/tasks", summary: "What is under way, moves that nobody ordered included" })
    .output(z.object({ asOfMs: asOfMsSchema, tasks: z.array(taskSchema) })),
  show: base.route({ method: "GET", path: "/tasks/{task}", summary: "One task" }).input(input).output(taskSchema),
  follow: base
    .route({ method: "GET", path: "/tasks/{task}/follow", summary: "A task's progress until its end" })
    .input(input)
    .output(eventIterator(taskSchema)),
};
