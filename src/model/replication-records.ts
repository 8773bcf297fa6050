import { z } from "zod";
import { brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import type { Epoch, GroupId, HostId, Incarnation, PoolId, VmId, VolumeId, WallMs } from "./ids.ts";
import { groupPointsSchema } from "./point-records.ts";
import { sealedCycleSchema } from "./replication-cycle.ts";

/**
 * How much of its volume a copy has. `in-sync`: every write that its run was answered. `stale`: the run goes on without it
 * since `at`; `whole`: until then it had everything, so that a guest could boot from it. `copying`: some of this and some of
 * that. `diverged`: its run was lost or left; `kept`: it has acknowledged writes that nobody else has, and so nothing is
 * copied over it; otherwise only what was never acknowledged. `unknown`: a forced or restored
 * store says nothing about it (S21). `surplus`: nobody needs it; the agent of its host removes the image, then the record.
 */
export const replicaStateSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("copying") }),
  /**
   * `byHost`: where two hosts vote, that of the run may go on without it by its own fsynced note alone (S23). So once that host is
   * lost, only a person takes it. `unsaid`: such a one, which a person has taken by a takeover: it may lack what nobody can say.
   */
  z.object({
    kind: z.literal("in-sync"),
    byHost: z.literal(true).optional(),
    unsaid: z.literal(true).optional(),
  }),
  z.object({
    kind: z.literal("stale"),
    /**
     * `moved`: its VM went on elsewhere from a copy that was made of it, by a live move; `handed`: by a switchover, from the
     * copy that had all that it holds (S15).
     */
    cause: z.enum(["silent", "failed", "order", "restart", "moved", "handed"]),
    whole: z.boolean(),
    at: wallMs,
  }),
  /** `forgone`: somebody had the branch deleted that was made of it, and so nobody makes it one again (S18). */
  z.object({
    kind: z.literal("diverged"),
    at: wallMs,
    kept: z.boolean().default(true),
    forgone: z.literal(true).optional(),
  }),
  /**
   * In cycles: everything until `at`, as the last cycle that is sealed there (S25); a later one may be on its way. `whole`: its run
   * stood still before this cycle began, and never went on: nothing was written after it. Written with the end of that run.
   */
  sealedCycleSchema.extend({ kind: z.literal("sealed"), whole: z.literal(true).optional() }),
  z.object({ kind: z.literal("unknown") }),
  /** `arrived`: made for a guest that was to move there with its disks, and did not: nothing else under its name is removed. */
  z.object({ kind: z.literal("surplus"), at: wallMs, arrived: z.literal(true).optional() }),
]);
export type ReplicaState = z.infer<typeof replicaStateSchema>;

/**
 * `/replicas/V/D/H/`: the copy of volume D of VM V on host H, for each copy but the one that the VM's owner runs on. State
 * and epoch are written by the owner's agent, or by the manager with a change of owner; `receiver` by the agent of H, and with it
 * that a sealed cycle is not there any more.
 */
export const replicaSchema = z.object({
  schema: schema1,
  vm: brandedText<VmId>(),
  volume: brandedText<VolumeId>(),
  host: brandedText<HostId>(),
  /** Of the run that `state` is about: nothing is said about any other (S14, S18). */
  epoch: brandedNumber<Epoch>(),
  state: replicaStateSchema,
  /**
   * The local pool of H in which its image lies, where it came about by a live move between local pools
   * (docs/designs/0005-live-moves.md). Absent: it belongs to replication.
   */
  pool: brandedText<PoolId>().optional(),
  /**
   * Its group was deleted, and its replicas with it: once nobody writes it the agent of its host removes it. Gone as soon as it is
   * copied anew.
   */
  toRemove: z.literal(true).optional(),
  /** Null: nobody receives it. */
  receiver: z
    .object({
      incarnation: brandedNumber<Incarnation>(),
      epoch: brandedNumber<Epoch>(),
      doors: z.array(z.object({ address: z.string(), port: z.int().min(1).max(65_535) })),
      /** The image is what the run before this one left there when it was handed over (S15). */
      isAsLeft: z.boolean().default(false),
    })
    .nullable(),
});
export type Replica = z.infer<typeof replicaSchema>;

export const groupModeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("synchronous"), boundMs: z.int().min(500).max(30_000).default(2_000) }),
  z.object({
    kind: z.literal("asynchronous"),
    everyS: z.int().min(5).max(86_400),
    /** A failover by itself where at most so many seconds of writes are lost by it; null: only by order. */
    lossS: z.int().min(0).max(604_800).nullable().default(null),
  }),
]);

/**
 * `/groups/G/`: VMs that are protected together, from one host to another; after a failover the other way round. Their disks
 * lie in local pools that both hosts have.
 */
export const groupSchema = z.object({
  schema: schema1,
  /** Stays: a word that people say. */
  name: brandedText<GroupId>(),
  vms: z.array(brandedText<VmId>()),
  source: brandedText<HostId>(),
  target: brandedText<HostId>(),
  mode: groupModeSchema,
  /** Null: its VMs get recovery points by hand alone, and all but the newest of the others go. */
  points: groupPointsSchema.nullable().default(null),
  /** What its copies may take in the target's pools, with their recovery points. Absent: what both have free. */
  quotaMiB: z.int().min(1).optional(),
  /** A copy that was left behind stays so until somebody says `resume`; that was last at `resumedAt`. Absent: by itself. */
  manualResume: z.literal(true).optional(),
  resumedAt: wallMs.optional(),
  /** Why it does nothing, each as a code with words; empty: it works. */
  paused: z.array(z.string()),
  createdAt: wallMs.default(0 as WallMs),
  /** When VMs were last taken in. Absent: when it was made. */
  grewAt: wallMs.optional(),
});
export type Group = z.infer<typeof groupSchema>;

/**
 * `/vms/V/copying/`: how far a copy is, or what it lacks, for people; by the agent that runs the VM, at most every few
 * seconds. Nothing rests on it.
 */
export const vmCopyingSchema = z.object({
  schema: schema1,
  epoch: brandedNumber<Epoch>(),
  to: brandedText<HostId>(),
  percent: z.int().min(0).max(100),
  mibPerSecond: z.number(),
  /** Of what is to be copied; while the copy is stale: of what it lacks. */
  remainingMiB: z.number(),
  /** The best that was seen of the link, with the host behind it, in the last window that told something; null: nothing. */
  link: z
    .object({ latencyMs: z.number().nullable(), mibPerSecond: z.number().nullable() })
    .default({ latencyMs: null, mibPerSecond: null }),
  at: wallMs,
});
export type VmCopying = z.infer<typeof vmCopyingSchema>;
