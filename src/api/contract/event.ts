import { eventIterator } from "@orpc/contract";
import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { alternativeSchema, paramsSchema, reasonSchema } from "../../model/reason.ts";
import { base, nameOrIdSchema, wallMsSchema } from "./base.ts";

export const eventSchema = z.object({
  /** Orders all events of the cluster; `after` takes it. */
  revision: z.int(),
  host: z.string(),
  boot: z.string(),
  seq: z.int(),
  type: z.string(),
  subjects: z.object({ vm: z.string().optional(), host: z.string().optional() }),
  params: paramsSchema,
  reason: reasonSchema.nullable(),
  alternatives: z.array(alternativeSchema),
  actor: actorSchema,
  at: wallMsSchema,
});
export type EventOutput = z.infer<typeof eventSchema>;

export const eventFilterSchema = z.object({
  vm: nameOrIdSchema.optional(),
  host: nameOrIdSchema.optional(),
  type: z.string().min(1).optional(),
  /** Only events after this revision, oldest first; without it the newest, oldest first. */
  after: z.coerce.number<number>().int().min(0).optional(),
  limit: z.coerce.number<number>().int().min(1).max(1000).default(50),
});

export const eventContract = {
  list: base
    .route({ method: "GET", path: "/events", summary: "The cluster's history as this host knows it" })
    .input(eventFilterSchema)
    .output(z.object({ events: z.array(eventSchema) })),
  follow: base
    .route({ method: "GET", path: "/events/follow", summary: "Events as they happen" })
    .input(
      eventFilterSchema.extend({
        /** Without `after`: how many of the newest come first. */
        limit: z.coerce.number<number>().int().min(0).max(1000).default(0),
      }),
    )
    .output(eventIterator(eventSchema)),
};
