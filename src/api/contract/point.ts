import { z } from "zod";
import { pointProofSchema, proofCheckSchema } from "../../model/point-proof.ts";
import { consistencySchema, pointOriginSchema } from "../../model/point-records.ts";
import {
  acceptSchema,
  asOfMsSchema,
  base,
  nameOrIdSchema,
  requestIdSchema,
  troubleSchema,
  wallMsSchema,
} from "./base.ts";

const named = z.object({ id: z.string(), name: z.string() });

export const pointOutputSchema = z.object({
  vm: named,
  /** Its points outlive it: they can be exported, and dropped. Its name is then the last that it had. */
  vmDeleted: z.boolean(),
  id: z.string(),
  /** Where it lies. */
  host: named,
  at: wallMsSchema,
  ageMs: z.int().min(0),
  origin: pointOriginSchema,
  consistency: consistencySchema,
  /** Why it is as after a power cut where more was asked for; null: it was not, or it is not so. */
  whyCrash: troubleSchema.nullable(),
  /** What was written between it and the next one; null: that is not over. */
  sizeMiB: z.int().min(0).nullable(),
  /** Of the last test failover from it that checked something: HTTP, guest agent or screen. */
  proof: pointProofSchema.nullable(),
  /** Newest first: of earlier ones those that looked for something which no later one did. */
  earlierProofs: z.array(pointProofSchema),
  /** Of the last one that checked nothing: its guest executed, or not, and nothing is proven. */
  boot: pointProofSchema.nullable(),
  /** The VM's last tests of points that are gone since. */
  earlier: z.array(pointProofSchema),
});
export type PointOutput = z.infer<typeof pointOutputSchema>;

/** What was asked of recovery points; an agent answers it. */
export const wishSchema = z.object({
  wish: z.string(),
  vm: named,
  act: z.enum(["take", "drop", "export", "test"]),
  /** Which point it is about; null: the one that is to be taken. */
  point: z.string().nullable(),
  host: named,
  state: z.enum(["open", "done", "refused"]),
  /** Why it was refused. */
  trouble: troubleSchema.nullable(),
});
export type WishOutput = z.infer<typeof wishSchema>;

const ofVm = z.object({ vm: nameOrIdSchema });
const ofPoint = ofVm.extend({ point: z.string().min(1).max(80), requestId: requestIdSchema });
/** `branches`: the name, `newest` too, is looked for among the VM's branches alone, so that no recovery point is meant by it. */
const ofPointOrBranch = ofPoint.extend({ among: z.literal("branches").optional() });

export const pointContract = {
  list: base
    .route({ method: "GET", path: "/points", summary: "Recovery points, oldest first" })
    .input(z.object({ vm: nameOrIdSchema.optional() }))
    .output(z.object({ asOfMs: asOfMsSchema, points: z.array(pointOutputSchema) })),
  take: base
    .route({ method: "POST", path: "/vms/{vm}/points", summary: "Have a recovery point taken now" })
    .input(ofVm.extend({ consistency: consistencySchema.default("crash"), requestId: requestIdSchema }))
    .output(wishSchema),
  drop: base
    .route({ method: "DELETE", path: "/vms/{vm}/points/{point}", summary: "Give a recovery point up" })
    .input(ofPointOrBranch.extend({ accept: acceptSchema }))
    .output(wishSchema),
  export: base
    .route({
      method: "POST",
      path: "/vms/{vm}/points/{point}/export",
      summary: "Read-only raw images in a folder of its host",
    })
    .input(ofPointOrBranch.extend({ folder: z.string().min(1).max(1_000) }))
    .output(wishSchema),
  test: base
    .route({
      method: "POST",
      path: "/vms/{vm}/points/{point}/test",
      summary: "Boot it in an isolated network, and check it",
    })
    .input(
      ofPoint.extend({
        checks: z.array(proofCheckSchema).max(4).default([]),
        limitMs: z.int().min(1_000).max(600_000).default(120_000),
      }),
    )
    .output(wishSchema),
  wish: base
    .route({ method: "GET", path: "/points/wishes/{wish}", summary: "What became of it" })
    .input(z.object({ wish: z.string().min(1).max(200) }))
    .output(wishSchema),
};
