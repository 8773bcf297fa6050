import { z } from "zod";
import { brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import { diskSchema } from "./disk-record.ts";
import type { Epoch, HostId, VmId } from "./ids.ts";
import { pointProofSchema, proofCheckSchema } from "./point-proof.ts";
import { paramsSchema } from "./reason.ts";

/** The name of a recovery point, of one VM: given by whoever took it, and never used for another one of it. */
export const pointIdSchema = z.string().regex(/^[A-Za-z0-9-]{1,80}$/u);

/**
 * Why a point was taken. `schedule`: its time had come. `hand`: somebody asked for it, and it stays until somebody drops it.
 * `cycle`: it is a sealed cycle (S25). `resync`: the last one before its copies are brought up to date, kept until that is over.
 * `branch`: what a host held that was lost, or left; `branch-kept`: it has acknowledged writes that nobody else has. Both stay
 * until somebody has them dropped (S18).
 */
export const pointOriginSchema = z.enum(["schedule", "hand", "cycle", "resync", "branch", "branch-kept"]);
export type PointOrigin = z.infer<typeof pointOriginSchema>;

export function isBranch(origin: PointOrigin): boolean {
  return origin === "branch" || origin === "branch-kept";
}

/** `application`: the guest's file systems stood still. `crash`: as after a power cut. */
export const consistencySchema = z.enum(["crash", "application"]);
export type Consistency = z.infer<typeof consistencySchema>;

/** Why the guest did not stand still where it was to: a code of `messages`. */
const whyCrashSchema = z.object({ code: z.string(), params: paramsSchema });
export type WhyCrash = z.infer<typeof whyCrashSchema>;

/**
 * `/points/V/ID/`: a moment of all disks of VM V, as it lies at a host of its copies (S20). Written by the agent that took it, or
 * that found it at its host; removed by the agent of its host once it is no point there any more.
 */
export const pointSchema = z.object({
  schema: schema1,
  vm: brandedText<VmId>(),
  id: pointIdSchema,
  host: brandedText<HostId>(),
  /** By the clock of its host; of a cycle, by that of the host of the run. */
  at: wallMs,
  origin: pointOriginSchema,
  consistency: consistencySchema,
  /** Its VM as it was when this was recorded: by now it may be deleted. Absent: an older version wrote it. */
  vmAs: z.object({ name: z.string(), disks: z.array(diskSchema) }).optional(),
  /** Where `application` was asked for and it is not. */
  whyCrash: whyCrashSchema.optional(),
  /** What was written between it and the next one; null: that is not over, or nobody has looked yet. */
  sizeMiB: z.int().min(0).nullable(),
  /** Of the last test failover from it that checked something; null: there was none. */
  proof: pointProofSchema.nullable(),
  /** Newest first: of earlier ones those that looked for something which no later one did. Absent: there are none. */
  earlierProofs: z.array(pointProofSchema).optional(),
  /** Of the last one that checked nothing: it proves nothing, and never takes the place of the other. */
  boot: pointProofSchema.optional(),
  /** Tests of points of this VM that are gone since: of those that checked something as above, and the last that did not. */
  earlier: z.array(pointProofSchema).optional(),
});
export type Point = z.infer<typeof pointSchema>;

/** When a group's VMs get recovery points, how long those stay, and how they are tested. */
export const groupPointsSchema = z.object({
  /** Null: only where somebody asks for one. In cycles each of them is a point, and this is not looked at. */
  everyMs: z.int().min(10_000).max(604_800_000).nullable(),
  /** Of each interval the newest, as far back as `count` of them. */
  keep: z.array(z.object({ everyMs: z.int().min(10_000), count: z.int().min(1).max(1_000) })).max(6),
  consistency: consistencySchema,
  test: z
    .object({
      everyMs: z.int().min(60_000).max(2_592_000_000),
      checks: z.array(proofCheckSchema).max(4),
      limitMs: z.int().min(5_000).max(600_000),
    })
    .nullable(),
});
export type GroupPoints = z.infer<typeof groupPointsSchema>;

/**
 * What somebody wants of recovery points. `take` is for the host of that run, the others for the host of the point. `export`:
 * plain raw images in a folder of that host, which is made.
 */
export const pointWishSchema = z.discriminatedUnion("act", [
  z.object({ act: z.literal("take"), epoch: brandedNumber<Epoch>(), consistency: consistencySchema }),
  z.object({ act: z.literal("drop"), point: pointIdSchema }),
  z.object({ act: z.literal("export"), point: pointIdSchema, folder: z.string() }),
  z.object({
    act: z.literal("test"),
    point: pointIdSchema,
    checks: z.array(proofCheckSchema).max(4),
    limitMs: z.int().min(1_000).max(600_000),
  }),
]);
export type PointWish = z.infer<typeof pointWishSchema>;

/**
 * S20: before it is started next its disks go back to this recovery point of its host; `id` names that very going back. `keeps`:
 * what they hold now was a moment that there was, and stays as a branch of that name.
 */
export const goBackSchema = z.object({ point: pointIdSchema, id: pointIdSchema, keeps: z.boolean() });
export type GoBack = z.infer<typeof goBackSchema>;
