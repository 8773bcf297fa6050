import { z } from "zod";
import { type Actor, actorSchema, brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import { diskSchema } from "./disk-record.ts";
import {
  copiesRefusedSchema,
  guestCpuSchema,
  hostPoolsSchema,
  routedAddressesSchema,
  runCpuModelSchema,
} from "./host-records.ts";
import type {
  ClusterId,
  Epoch,
  HostId,
  Incarnation,
  IntentId,
  NetworkId,
  Nonce,
  PoolId,
  Revision,
  TaskId,
  Term,
  VmId,
} from "./ids.ts";
import { copyingSchema } from "./move-records.ts";
import { goBackSchema, pointWishSchema } from "./point-records.ts";
import { alternativeSchema, checkSchema, paramsSchema, reasonSchema } from "./reason.ts";

// Every record of the store, as it is written: JSON with a schema version. Parsing happens once, where data enter.

export const clusterSchema = z.object({
  schema: schema1,
  id: brandedText<ClusterId>(),
  name: z.string(),
  /** The store's format; a daemon that does not know it does not start. */
  format: z.int(),
  createdAt: wallMs,
  /** The last takeover: the store goes on without these members, from a forced start (S23, S24). */
  forced: z
    .object({
      by: brandedText<HostId>(),
      without: z.array(brandedText<HostId>()),
      at: wallMs,
      /** Not all that has to follow is written yet: no manager decides anything, on whichever host. */
      open: z.literal(true).optional(),
    })
    .optional(),
});
export type Cluster = z.infer<typeof clusterSchema>;

export const linkKindSchema = z.enum(["management", "availability", "migration"]);
export const memberSchema = z.object({
  schema: schema1,
  id: brandedText<HostId>(),
  name: z.string(),
  role: z.enum(["host", "witness"]),
  /** Addresses by kind of link, in order of preference within a kind. */
  links: z.array(z.object({ kind: linkKindSchema, address: z.string(), subnet: z.string() })),
  joinedAt: wallMs,
  /** Its member of the store does not vote yet: it was taken back (HM7). */
  joinsStore: z.literal(true).optional(),
});
export type Member = z.infer<typeof memberSchema>;

/** `/hosts/H/`: written only by a registration, so that its revision stands for (incarnation, nonce) in a compare (S1). */
export const hostSchema = z.object({
  schema: schema1,
  incarnation: brandedNumber<Incarnation>(),
  nonce: brandedText<Nonce>(),
  /** Identifies the machine, not the boot: a second machine of the same name is refused. */
  machine: z.string(),
  registeredAt: wallMs,
});
export type HostRegistration = z.infer<typeof hostSchema>;

export const hostFactsSchema = z.object({
  schema: schema1,
  incarnation: brandedNumber<Incarnation>(),
  cpuVendor: z.string(),
  cpuModel: z.string(),
  cpuFlags: z.array(z.string()),
  guestCpu: guestCpuSchema.optional(),
  cores: z.int(),
  memoryMiB: z.int(),
  /** What VMs may use in all; the rest is the host's own. */
  memoryForVmsMiB: z.int(),
  /** False: that is what the policy leaves. Absent: an older version wrote it. */
  memoryIsConfigured: z.boolean().optional(),
  accel: z.enum(["kvm", "tcg"]),
  versions: z.record(z.string(), z.string()),
  clockOffsetMs: z.number().nullable(),
  routedAddresses: routedAddressesSchema,
  networks: z.array(z.object({ network: brandedText<NetworkId>(), bridge: z.string(), unfit: z.string().nullable() })),
  pools: hostPoolsSchema,
  checks: z.array(checkSchema),
  copiesRefused: copiesRefusedSchema.optional(),
  at: wallMs,
});
export type HostFacts = z.infer<typeof hostFactsSchema>;

/** A device that cuts a host's power. `options` go to the fence agent as `key=value` lines. */
export const fenceDeviceSchema = z.object({
  schema: schema1,
  agent: z.string(),
  options: z.record(z.string(), z.string()),
});
export type FenceDevice = z.infer<typeof fenceDeviceSchema>;

export const heartbeatSchema = z.object({
  schema: schema1,
  seq: z.int(),
  /** D and M that this host's guards enforce; the manager waits for the larger of these and its own (S7). */
  deadlineMs: z.int(),
  marginMs: z.int(),
  /** Milliseconds since the agent last said it lives; null: not heard in this incarnation (S13). */
  agentAgeMs: z.int().nullable(),
  /** True where the guards held the VMs frozen when this was sent. */
  frozen: z.boolean(),
  /** Milliseconds since this host's shared storage last answered; null: not probed. */
  poolAgeMs: z.int().nullable(),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

export const fenceCauseSchema = z.enum(["silence", "device", "order", "self"]);
export type FenceCause = z.infer<typeof fenceCauseSchema>;

/**
 * What stands in a fence record as proven. `silence`: the record itself was guarded by the last heartbeat's revision.
 * `power-off`: a device confirmed it by a separate status. `last-word`: the host said that none of its VMs is left.
 * `waited`: D+M passed after the receipt of the record's commit (S9). `word`: an operator said that it is off (S23).
 */
export const proofKindSchema = z.enum(["silence", "power-off", "last-word", "waited", "word"]);
export type ProofKind = z.infer<typeof proofKindSchema>;

/** `/fence/H/N/`: from its commit on, (H, N) gets no heartbeat through any more (S1, S9). */
export const fenceSchema = z.object({
  schema: schema1,
  cause: fenceCauseSchema,
  by: brandedText<HostId>(),
  /** The revision of the last heartbeat that the fencing process had seen; null: none was ever seen. */
  heartbeatRevision: brandedNumber<Revision>().nullable(),
  waitedMs: z.int(),
  /** `begun` forbids adoption (S11): the power may go at any moment. */
  device: z.enum(["not-needed", "begun", "confirmed", "abandoned"]),
  proofs: z.array(proofKindSchema),
  at: wallMs,
  /** By silence: when its VMs stood still at the latest, which may be long before `at`; nobody's safety rests on it (S25). */
  stoodBy: wallMs.optional(),
});
export type FenceRecord = z.infer<typeof fenceSchema>;

export const poolKindSchema = z.enum(["shared-dir", "local-dir", "replicated"]);
export const poolSchema = z.object({
  schema: schema1,
  id: brandedText<PoolId>(),
  name: z.string(),
  kind: poolKindSchema,
  /** The folder on each host; the same for all, a host's own config may map it elsewhere. */
  path: z.string(),
  quotaMiB: z.int().nullable(),
  createdAt: wallMs,
});
export type Pool = z.infer<typeof poolSchema>;

export const networkSchema = z.object({ schema: schema1, id: brandedText<NetworkId>(), name: z.string() });
export type Network = z.infer<typeof networkSchema>;

export const requestedStateSchema = z.enum(["started", "stopped", "disabled", "ignored"]);
export type RequestedState = z.infer<typeof requestedStateSchema>;

export const nicSchema = z.object({ network: brandedText<NetworkId>(), mac: z.string() });
export const vmSpecSchema = z.object({
  cpus: z.int().min(1).max(512),
  memoryMiB: z.int().min(16),
  cpuModel: z.string(),
  disks: z.array(diskSchema),
  nics: z.array(nicSchema),
  /** Direct kernel boot; null: the firmware boots the first disk. `append` may hold `{epoch}`; a kernel may need no `initrd`. */
  kernel: z.object({ path: z.string(), initrd: z.string().nullable(), append: z.string() }).nullable(),
  guestAgent: z.boolean(),
});
export type VmSpec = z.infer<typeof vmSpecSchema>;

export const vmLockKindSchema = z.enum([
  "backup",
  "clone",
  "create",
  "migrate",
  "mounted",
  "rollback",
  "snapshot",
  "snapshot-delete",
  "suspending",
  "suspended",
]);

/** `/vms/V/`: what is wanted. */
export const vmSchema = z.object({
  schema: schema1,
  id: brandedText<VmId>(),
  name: z.string(),
  spec: vmSpecSchema,
  requested: requestedStateSchema,
  /** Restarts on the same host after a failure, then other hosts to try. */
  maxRestart: z.int().min(0),
  maxRelocate: z.int().min(0),
  stopGraceMs: z.int().min(0),
  /** Whether it goes back to a host of a higher priority class when that host returns. */
  failback: z.boolean().default(true),
  /** In a recovery of many, the larger first; the next lower class starts once these run, or had their time. */
  startPriority: z.int().min(-1_000).max(1_000).default(0),
  /** How long the next lower class waits after this one runs. */
  startDelayMs: z.int().min(0).default(0),
  /** Some long work has it: it is neither started nor moved meanwhile. Those that a lost host left are removed. */
  lock: z.object({ kind: vmLockKindSchema, at: wallMs }).nullable().default(null),
  createdAt: wallMs,
});
export type Vm = z.infer<typeof vmSchema>;

/** What a new VM has where nobody said otherwise. */
export const vmDefaults = { failback: true, startPriority: 0, startDelayMs: 0, lock: null } as const;

/** How a QEMU ended, as facts/QMP tell it apart. */
export const vmExitSchema = z.enum([
  "guest-shutdown",
  "host-quit",
  "killed",
  "panicked",
  "start-failed",
  "storage-error",
]);
export type VmExit = z.infer<typeof vmExitSchema>;

/**
 * `/owner/V/`: who may run the VM. `held`: (host, incarnation) alone, as `epoch`. `released`: nobody; a start elsewhere
 * needs no proof, because the holder wrote this after it had verified that nothing of the VM was left (S14).
 */
export const ownerSchema = z.discriminatedUnion("kind", [
  z.object({
    schema: schema1,
    kind: z.literal("held"),
    host: brandedText<HostId>(),
    incarnation: brandedNumber<Incarnation>(),
    epoch: brandedNumber<Epoch>(),
    failedHosts: z.array(brandedText<HostId>()),
    /** Not there: its disks are as they lie. Taken away by the agent of its host once that is done. */
    back: goBackSchema.optional(),
  }),
  z.object({
    schema: schema1,
    kind: z.literal("released"),
    /** Where it last ran. */
    host: brandedText<HostId>(),
    epoch: brandedNumber<Epoch>(),
    /** Null after an orderly stop. */
    failed: vmExitSchema.nullable(),
    /** Where it failed since it last ran well, oldest first, each time anew: tried last; `maxRelocate` bounds their number. */
    failedHosts: z.array(brandedText<HostId>()),
    back: goBackSchema.optional(),
  }),
]);
export type Owner = z.infer<typeof ownerSchema>;
export type HeldOwner = Extract<Owner, { kind: "held" }>;
export type ReleasedOwner = Extract<Owner, { kind: "released" }>;

/** `/vms/V/status/`: what the owner's agent last saw. Never a ground for a start: that is the owner record alone. */
export const vmStatusSchema = z.object({
  schema: schema1,
  host: brandedText<HostId>(),
  incarnation: brandedNumber<Incarnation>(),
  epoch: brandedNumber<Epoch>(),
  phase: z.enum(["starting", "running", "paused", "stopping", "stopped", "failed"]),
  /** Why it is paused; empty unless `paused`. */
  pausedBy: z.array(z.string()),
  accel: z.enum(["kvm", "tcg"]).nullable(),
  cpuModel: runCpuModelSchema,
  copying: copyingSchema.optional(),
  /** Restarts in a row without a quiet minute between. */
  restarts: z.int(),
  lastExit: vmExitSchema.nullable(),
  /** QEMU's own words where the start failed. */
  detail: z.string().nullable(),
  since: wallMs,
});
export type VmStatus = z.infer<typeof vmStatusSchema>;

/** `/manager/term/`: compared by revision in each transaction of the manager (S12). */
export const managerTermSchema = z.object({
  schema: schema1,
  term: brandedNumber<Term>(),
  host: brandedText<HostId>(),
  at: wallMs,
});
export type ManagerTerm = z.infer<typeof managerTermSchema>;
export const managerTickSchema = z.object({
  schema: schema1,
  term: brandedNumber<Term>(),
  tick: z.int(),
  /** By the leader's clock, when it was sent: from it hosts know how far their clocks are apart. Nothing else rests on it. */
  at: wallMs.optional(),
  /** The last of its term: whoever hears it may take the office at once. */
  last: z.literal(true).optional(),
});
export type ManagerTick = z.infer<typeof managerTickSchema>;

const intentCommon = {
  schema: schema1,
  id: brandedText<IntentId>(),
  actor: actorSchema,
  answer: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("open") }),
    z.object({ kind: z.literal("done"), at: wallMs }),
    z.object({ kind: z.literal("refused"), code: z.string(), params: paramsSchema, at: wallMs }),
  ]),
  at: wallMs,
};

/**
 * `/intents/I/`: a wish for one action that an agent carries out, answered in place. `reset-vm` is for the holder of that
 * epoch. `leave-host`: the host is to go down in order, as the policy says; for this life of it, so that an order that
 * comes late does not end the next one. `point`: about recovery points.
 */
export const intentSchema = z.discriminatedUnion("kind", [
  z.object({
    ...intentCommon,
    kind: z.literal("reset-vm"),
    vm: brandedText<VmId>(),
    epoch: brandedNumber<Epoch>(),
  }),
  z.object({
    ...intentCommon,
    kind: z.literal("leave-host"),
    host: brandedText<HostId>(),
    incarnation: brandedNumber<Incarnation>(),
    /** `nothing`: an earlier order of the kind is taken back, as long as the host has not given its last word. */
    next: z.enum(["nothing", "agent-restart", "reboot", "power-off"]),
  }),
  z.object({
    ...intentCommon,
    kind: z.literal("point"),
    vm: brandedText<VmId>(),
    /** Whose agent carries it out. */
    host: brandedText<HostId>(),
    wish: pointWishSchema,
  }),
]);
export type Intent = z.infer<typeof intentSchema>;
export type ResetIntent = Extract<Intent, { kind: "reset-vm" }>;
export type PointIntent = Extract<Intent, { kind: "point" }>;
export type LeaveIntent = Extract<Intent, { kind: "leave-host" }>;

/** `/tasks/T/`: long work, for progress and for the record. */
export const taskSchema = z.object({
  schema: schema1,
  id: brandedText<TaskId>(),
  actor: actorSchema,
  kind: z.enum(["start-vm", "stop-vm", "delete-vm", "move-vm"]),
  vm: brandedText<VmId>(),
  /** Where a move goes. */
  to: brandedText<HostId>().nullable().default(null),
  percent: z.int().min(0).max(100),
  end: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("done"), at: wallMs }),
      z.object({
        kind: z.literal("failed"),
        code: z.string(),
        params: paramsSchema,
        why: reasonSchema.optional(),
        at: wallMs,
      }),
    ])
    .nullable(),
  at: wallMs,
});
export type Task = z.infer<typeof taskSchema>;

/** `/events/HOST/BOOT-SEQ/`: hash-chained per host and boot; the store's revision orders all of them. */
export const eventSchema = z.object({
  schema: schema1,
  host: brandedText<HostId>(),
  boot: z.string(),
  seq: z.int(),
  /** A code of `messages`. */
  type: z.string(),
  subjects: z.object({ vm: brandedText<VmId>().optional(), host: brandedText<HostId>().optional() }),
  params: paramsSchema,
  reason: reasonSchema.nullable(),
  alternatives: z.array(alternativeSchema),
  actor: actorSchema,
  at: wallMs,
  /** SHA-256 of the event before it in this host's chain; empty for the first. */
  previous: z.string(),
});
export type Event = z.infer<typeof eventSchema>;

/** What a decision says of itself; the journal adds host, boot, sequence, time and hash. */
export type EventDraft = Pick<Event, "type" | "subjects" | "params" | "reason" | "alternatives" | "actor">;

export const systemActor: Actor = { name: "holdfast", role: "system", requestId: "" };
