import { z } from "zod";
import { reasonSchema } from "../../model/reason.ts";
import { asOfMsSchema, base, nameOrIdSchema } from "./base.ts";

/** Steps whose length comes from this cluster's own history. */
const stepSchema = z.enum(["power-off", "stop", "start", "live-move", "pause"]);

const foreseenSchema = z.object({
  id: z.string(),
  name: z.string(),
  /**
   * `restarts`: its host is gone, it boots afresh elsewhere. `moves`: it leaves in order. `lies-elsewhere`: it does not run,
   * and will start elsewhere. `stays`: it was to leave and cannot. `waits`: it runs nowhere until something changes.
   * `stands-still`: frozen where it is, until its host hears a majority of the cluster again.
   */
  becomes: z.enum(["restarts", "moves", "lies-elsewhere", "stays", "waits", "stands-still"]),
  /** It runs nowhere already, for a cause of its own: nothing of this happens to it. */
  wasDown: z.boolean(),
  from: z.string().nullable(),
  /** Null: nowhere. */
  to: z.string().nullable(),
  /** The host that it is on its way to now, and comes back from, so that `to` is where it is; null: none. */
  via: z.string().nullable(),
  /** Milliseconds until it executes there, from now; null: it does not, or nobody knows when. */
  afterMs: z.int().nullable(),
  /** For how long of these it does not execute; null: not known. */
  downMs: z.int().nullable(),
  /** Of one that moves while it runs: why its guest is stopped before its memory is copied; null: it is not. */
  stoppedFirst: reasonSchema.nullable(),
  /** Steps that these times are made of. */
  restsOn: z.array(stepSchema),
  /** Steps of that time that this cluster never measured, or of far smaller VMs alone: a usual figure stands for them. */
  guessed: z.array(stepSchema),
  /** What is lost with it; null: nothing. */
  loses: reasonSchema.nullable(),
  /** Of one that moves while it runs: why the host that answers does not know whether a link connects; null: it does. */
  unseen: reasonSchema.nullable(),
  /** Why it goes there, or why it does not. */
  why: reasonSchema.nullable(),
  /** One change with which it would start or leave, tried out; null: none is needed, or none was found. */
  fix: reasonSchema.nullable(),
});
export type ForeseenOutput = z.infer<typeof foreseenSchema>;

export const forecastSchema = z.object({
  asOfMs: asOfMsSchema,
  /** What happens to the cluster as a whole, in order. */
  course: z.array(reasonSchema),
  /** Only VMs to which something happens. */
  vms: z.array(foreseenSchema),
  /** How long each step usually takes here; `samples` 0: never measured, a default. */
  steps: z.array(z.object({ step: stepSchema, ms: z.int(), samples: z.int() })),
  /** MiB a second that the policy allows each move: none takes less than what it sends takes so; null: no bound. */
  bandwidthMiBps: z.int().nullable(),
});
export type ForecastOutput = z.infer<typeof forecastSchema>;

export const whatifContract = {
  hostLoss: base
    .route({ method: "GET", path: "/whatif/host-loss/{host}", summary: "What would happen if a host were lost now" })
    .input(z.object({ host: nameOrIdSchema }))
    .output(forecastSchema),
  linkLoss: base
    .route({ method: "GET", path: "/whatif/link-loss/{link}", summary: "What would happen if a link were lost now" })
    .input(
      z.object({
        /** A kind of link, a subnet, or `HOST:LINK`: the connection of one host. */
        link: nameOrIdSchema,
      }),
    )
    .output(forecastSchema),
  maintenance: base
    .route({ method: "GET", path: "/whatif/maintenance/{host}", summary: "What maintenance of a host would do now" })
    .input(z.object({ host: nameOrIdSchema }))
    .output(forecastSchema),
};
