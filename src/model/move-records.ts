import { z } from "zod";
import { actorSchema, brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import type { Epoch, HostId, Incarnation, Revision, VmId } from "./ids.ts";
import { pointIdSchema } from "./point-records.ts";
import { paramsSchema, reasonSchema } from "./reason.ts";

export const moveKindSchema = z.enum(["migrate", "relocate"]);

/**
 * `/vms/V/order/`: what a person asked for and the manager has not done yet. It survives every change of the VM's state;
 * the manager carries it out or drops it, and says which. A newer order replaces it.
 */
export const vmOrderSchema = z.object({
  schema: schema1,
  vm: brandedText<VmId>(),
  order: z.discriminatedUnion("kind", [
    z.object({ kind: moveKindSchema, to: brandedText<HostId>() }),
    /**
     * It is lost with its host, and goes on from its copies at `to` in spite of what they lack: as it was said by their records
     * in these revisions, in the order of its disks (S18). `point`: from that recovery point there instead; of all after it is said
     * that it is lost, whatever the records say meanwhile (S20).
     */
    z.object({
      kind: z.literal("promote"),
      to: brandedText<HostId>(),
      seen: z.array(brandedNumber<Revision>()),
      point: pointIdSchema.optional(),
      /** Given while it ran, and only with a point: its host stops it first. Otherwise it is void where its host is up with it. */
      stops: z.literal(true).optional(),
    }),
    /** Comes with `requested: stopped`; the agent takes `graceMs` instead of the VM's own. */
    z.object({ kind: z.literal("stop"), graceMs: z.int().min(0) }),
  ]),
  actor: actorSchema,
  at: wallMs,
});
export type VmOrder = z.infer<typeof vmOrderSchema>;

/** True: a switchover. Its disks are at the target already, as copies that replication made; nothing of them is copied (S15). */
const switchover = { onCopies: z.literal(true).optional() } as const;

/**
 * `/vms/V/move/`: a move under way, written by the manager, answered by the agent of `from`. A relocation is a stop
 * there, then an owner record of the new host; nothing of it touches S14: the holder releases, the manager places.
 */
export const vmMoveSchema = z.object({
  schema: schema1,
  vm: brandedText<VmId>(),
  kind: moveKindSchema,
  from: brandedText<HostId>(),
  incarnation: brandedNumber<Incarnation>(),
  /** The run that is moved: a move of any other epoch is over. Null: the VM does not run, only its place changes. */
  epoch: brandedNumber<Epoch>().nullable(),
  to: brandedText<HostId>(),
  reason: reasonSchema,
  answer: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("open") }),
    z.object({ kind: z.literal("failed"), code: z.string(), params: paramsSchema }),
  ]),
  /** How far a live move has come (docs/designs/0005-live-moves.md). Absent: the VM is stopped, moved and started. */
  live: z
    .discriminatedUnion("kind", [
      /** By the manager: the guest is to move while it runs. */
      z.object({ kind: z.literal("asked"), ...switchover }),
      /** By the agent of `to`: a QEMU waits there, in the epoch after `epoch`. */
      z.object({
        kind: z.literal("waiting"),
        incarnation: brandedNumber<Incarnation>(),
        doors: z.array(z.object({ address: z.string(), port: z.int().min(1).max(65_535) })),
        /** As its doors were opened: what the policy says may have changed since. */
        tls: z.boolean().default(true),
        ...switchover,
      }),
      /** By the agent of `from`, with the owner record (S15). While it says so the VM starts nowhere. */
      z.object({ kind: z.literal("switched"), incarnation: brandedNumber<Incarnation>(), ...switchover }),
    ])
    .optional(),
  at: wallMs,
});
export type VmMove = z.infer<typeof vmMoveSchema>;

/** Of a guest that is being copied, as its source saw it last: for people, nothing rests on it. */
export const copyingSchema = z.object({
  /** Of what is copied at the source: 100 is never said, what comes then takes less time than saying it. */
  percent: z.int(),
  mibPerSecond: z.number(),
  remainingMiB: z.number(),
  /** For how long the guest will have stood still; null: not known yet. */
  expectedDowntimeMs: z.number().nullable(),
  /** The target's address on the link that is used. */
  link: z.string(),
  /** `stopped`: it stands still until the move has ended; without KVM from before its memory is copied. */
  guest: z.enum(["runs", "stopped"]).default("runs"),
  /** It stands still for a disk of its own that failed, and is let go on once that works, or where it arrives. */
  waitsForDisk: z.boolean().optional(),
  /** Nothing has got through the link for some seconds; where that goes on the move breaks off. */
  stuck: z.boolean().optional(),
});
export type Copying = z.infer<typeof copyingSchema>;

/** `/vms/V/plan/`: what the manager must not forget about a VM. Absent: nothing. */
export const vmPlanSchema = z.object({
  schema: schema1,
  /** Given up until somebody sets it to `disabled`; beside this, too many failed hosts in the owner record (S14). */
  error: z.object({ code: z.string(), params: paramsSchema, at: wallMs }).nullable(),
  /** The host that it left for maintenance, and goes back to. */
  returnTo: brandedText<HostId>().nullable(),
  /** Moves that failed in a row, and the last one's aim. */
  failedMoves: z
    .object({
      count: z.int().min(0),
      to: brandedText<HostId>(),
      code: z.string(),
      /** Of `code`. Absent: an older version wrote it. */
      params: paramsSchema.optional(),
      /** When that was, for people: the manager counts by its own clock. */
      at: wallMs.optional(),
      /** Where to moves failed for causes of the target or of the link, the last one last. Absent: an older version wrote it. */
      targets: z.array(brandedText<HostId>()).optional(),
    })
    .nullable(),
});
export type VmPlan = z.infer<typeof vmPlanSchema>;
