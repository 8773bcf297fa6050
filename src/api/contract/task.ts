import { eventIterator } from "@orpc/contract";
import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { copyingSchema } from "../../model/move-records.ts";
import { base, troubleSchema, wallMsSchema } from "./base.ts";

export const taskSchema = z.object({
  id: z.string(),
  kind: z.enum(["start-vm", "stop-vm", "delete-vm", "move-vm"]),
  vm: z.string(),
  /** The host that a move goes to. */
  to: z.string().nullable(),
  percent: z.int(),
  /** Of a guest that moves while it runs: how its copying goes; null: nothing is being copied. */
  copying: copyingSchema.nullable(),
  /** Null while it runs. */
  end: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("done"), at: wallMsSchema }),
      z.object({ kind: z.literal("failed"), at: wallMsSchema, ...troubleSchema.shape }),
    ])
    .nullable(),
  actor: actorSchema,
  at: wallMsSchema,
});
export type TaskOutput = z.infer<typeof taskSchema>;

const input = z.object({ task: z.string().min(1) });

export const taskContract = {
  show: base.route({ method: "GET", path: "/tasks/{task}", summary: "One task" }).input(input).output(taskSchema),
  follow: base
    .route({ method: "GET", path: "/tasks/{task}/follow", summary: "A task's progress until its end" })
    .input(input)
    .output(eventIterator(taskSchema)),
};
