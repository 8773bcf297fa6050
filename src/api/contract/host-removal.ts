import { z } from "zod";
import { acceptSchema, asOfMsSchema, base, nameOrIdSchema, requestIdSchema, troubleSchema } from "./base.ts";

/** `voting`: it is no host any more, but its member has not left the store yet; that goes on by itself. */
export const removedSchema = z.object({ id: z.string(), name: z.string(), store: z.enum(["left", "voting"]) });
export type RemovedOutput = z.infer<typeof removedSchema>;

export const removalSchema = z.object({
  /** Null: it could be removed now. */
  refused: troubleSchema.nullable(),
  /** What it would take away from the others: needs `accept`. */
  breaks: z.array(troubleSchema),
  /** It is up, in maintenance and empty: the order to remove it shuts it down first. */
  shutsDown: z.boolean(),
  /** Members of the store that vote. */
  votes: z.object({ before: z.int(), after: z.int() }),
});
export type RemovalOutput = z.infer<typeof removalSchema>;

const oneHost = z.object({ host: nameOrIdSchema });

export const removalContract = {
  removal: base
    .route({
      method: "GET",
      path: "/hosts/{host}/removal",
      summary: "What removing a host would take away, and what is in its way",
    })
    .input(oneHost)
    .output(removalSchema.extend({ asOfMs: asOfMsSchema })),
  remove: base
    .route({
      method: "DELETE",
      path: "/hosts/{host}",
      summary:
        "Remove a host that is off, or that is empty and in maintenance, from the cluster; asked again, it finishes what was cut off",
    })
    .input(oneHost.extend({ accept: acceptSchema, requestId: requestIdSchema }))
    .output(removedSchema),
  join: base
    .route({
      method: "POST",
      path: "/hosts/{host}/join",
      summary: "Take a removed host back: it joins when it is switched on",
    })
    .input(oneHost.extend({ requestId: requestIdSchema }))
    .output(z.object({ id: z.string(), name: z.string() })),
};
