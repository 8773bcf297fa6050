import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { moveKindSchema } from "../../model/move-records.ts";
import { alternativeSchema, paramsSchema, reasonSchema } from "../../model/reason.ts";
import { requestedStateSchema, vmExitSchema, vmLockKindSchema } from "../../model/records.ts";
import {
  acceptSchema,
  asOfMsSchema,
  base,
  bearsLessSchema,
  groupStatusSchema,
  nameOrIdSchema,
  requestIdSchema,
  standstillSchema,
  troubleSchema,
  usageSchema,
  wallMsSchema,
} from "./base.ts";
import { eventSchema } from "./event.ts";
import { taskSchema } from "./task.ts";

/**
 * `waiting`: wanted, but no host has it yet. `recovering`: its host was fenced and it is on its way to another.
 * `lost`: its host is silent; whether it runs is not known until the host speaks or is fenced. `frozen`: the host that
 * answers runs it, and its guards hold it: it stands still. `unknown`: the host that answers hears nobody.
 */
export const vmStateSchema = z.enum([
  "stopped",
  "waiting",
  "starting",
  "running",
  "paused",
  "stopping",
  "failed",
  "lost",
  "frozen",
  "unknown",
  "recovering",
]);

/** States under the names that administrators of this field know; `ignored`: nobody manages the VM. */
const serviceStateSchema = z.enum([
  "request_start",
  "request_start_balance",
  "started",
  "request_stop",
  "stopped",
  "migrate",
  "relocate",
  "fence",
  "recovery",
  "freeze",
  "error",
  "ignored",
]);

export const vmSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  requested: requestedStateSchema,
  state: vmStateSchema,
  /** The same as the manager's state of it: where it is or ran last, and where it is being moved. */
  service: z.object({ state: serviceStateSchema, host: z.string().nullable(), target: z.string().nullable() }),
  /** Who may run it; null: nobody. */
  host: z.string().nullable(),
  epoch: z.int().nullable(),
  cpus: z.int(),
  memoryMiB: z.int(),
  since: wallMsSchema.nullable(),
  /** What keeps a guest that is `paused` from going on; `move`: it stands still while its memory is copied. */
  pausedBy: z.array(z.string()),
  /** Since when QEMU has not answered its host: whatever `state` says, the guest probably stands still. Null: it answers. */
  silentSince: wallMsSchema.nullable(),
  /** Not null where `state` is `frozen`. */
  standstill: standstillSchema.nullable(),
  /** How its group protects it, in one word with the reasons that are about it; null: it is in no group. */
  protection: z.object({ group: z.string(), status: groupStatusSchema, reasons: z.array(reasonSchema) }).nullable(),
});
export type VmSummary = z.infer<typeof vmSummarySchema>;

export const vmDetailSchema = vmSummarySchema.extend({
  cpuModel: z.string(),
  /** What `compatible` was at the start of the run; null: it does not run, or its model says all. */
  cpuShown: z.string().nullable(),
  disks: z.array(
    z.object({ volume: z.string(), pool: z.string(), sizeMiB: z.int(), format: z.enum(["raw", "qcow2"]) }),
  ),
  nics: z.array(z.object({ network: z.string(), mac: z.string() })),
  kernel: z.object({ path: z.string(), initrd: z.string().nullable(), append: z.string() }).nullable(),
  guestAgent: z.boolean(),
  maxRestart: z.int(),
  maxRelocate: z.int(),
  stopGraceMs: z.int(),
  failback: z.boolean(),
  startPriority: z.int(),
  startDelayMs: z.int(),
  createdAt: wallMsSchema,
  /** Given up until somebody sets it to `disabled`; a code of `messages`. */
  error: troubleSchema.extend({ at: wallMsSchema.nullable() }).nullable(),
  /** Some long work has it: it is neither started nor moved meanwhile. */
  lock: z.object({ kind: vmLockKindSchema, at: wallMsSchema }).nullable(),
  /** Why it runs nowhere now although it is wanted, what would help, and what keeps each host from it; null: it runs, or is about to. */
  down: z
    .object({ why: reasonSchema, fix: reasonSchema.nullable(), alternatives: z.array(alternativeSchema) })
    .nullable(),
  /** What a person asked for and has not got yet. */
  order: z
    .object({
      kind: z.enum(["migrate", "relocate", "promote", "stop"]),
      /** Where a move goes. */
      to: z.string().nullable(),
      /** How long the guest may take to stop. */
      graceMs: z.int().nullable(),
      by: actorSchema,
      at: wallMsSchema,
    })
    .nullable(),
  /** A move under way; `failed`: its host could not carry it out. */
  move: z
    .object({
      kind: moveKindSchema,
      from: z.string(),
      to: z.string(),
      reason: reasonSchema,
      failed: troubleSchema.nullable(),
      at: wallMsSchema,
    })
    .nullable(),
  /** The host that it left for maintenance, and goes back to. */
  returnTo: z.string().nullable(),
  /** Moves that failed in a row, and the last one's aim and cause. */
  failedMoves: z
    .object({
      count: z.int(),
      to: z.string(),
      code: z.string(),
      /** Of `code`; null: not remembered. */
      params: paramsSchema.nullable(),
    })
    .nullable(),
  /** Rules that bind it. */
  rules: z.array(z.string()),
  accel: z.enum(["kvm", "tcg"]).nullable(),
  usage: usageSchema,
  restarts: z.int(),
  lastExit: vmExitSchema.nullable(),
  detail: z.string().nullable(),
  /** Tasks that have not ended. */
  tasks: z.array(taskSchema),
});
export type VmDetail = z.infer<typeof vmDetailSchema>;

const limits = {
  maxRestart: z.int().min(0).max(100),
  maxRelocate: z.int().min(0).max(100),
  stopGraceMs: z.int().min(0).max(3_600_000),
  startPriority: z.int().min(-1_000).max(1_000),
  startDelayMs: z.int().min(0).max(3_600_000),
};

const size = { cpus: z.int().min(1).max(512), memoryMiB: z.int().min(16).max(16_777_216) };

/** What may be changed of a VM's wishes, and what the answer shows of them. */
const wishSchema = z.object({
  requested: requestedStateSchema,
  /** Restarts in place after a failure, then other hosts to try. */
  maxRestart: limits.maxRestart,
  maxRelocate: limits.maxRelocate,
  stopGraceMs: limits.stopGraceMs,
  /** Whether it goes back to a host of a higher priority class when that one returns. */
  failback: z.boolean(),
  /** In a recovery of many the larger first; the next lower class waits `startDelayMs` after this one runs. */
  startPriority: limits.startPriority,
  startDelayMs: limits.startDelayMs,
});

const cpuModelSchema = z.string().regex(/^[A-Za-z0-9._,+=-]{1,200}$/u, "cpu-model-malformed");

/** Also the form of a spec file. Pools and networks by name or id. */
export const vmCreateSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u, "vm-name-malformed"),
  ...size,
  /**
   * A named model is the same on every host that can run it; the default is the one that every host can. `host`: all that
   * the host has. `compatible`: the best model that all hosts can run on which its rules let it be, found at each start.
   */
  cpuModel: cpuModelSchema.default("qemu64"),
  disks: z
    .array(
      z.strictObject({
        pool: nameOrIdSchema,
        sizeMiB: z.int().min(1).max(1_073_741_824),
        format: z.enum(["raw", "qcow2"]).default("qcow2"),
      }),
    )
    .max(16)
    .default([]),
  networks: z.array(nameOrIdSchema).max(8).default([]),
  kernel: z
    .strictObject({
      path: z.string().startsWith("/"),
      initrd: z.string().startsWith("/").nullable().default(null),
      append: z.string().default(""),
    })
    .nullable()
    .default(null),
  guestAgent: z.boolean().default(false),
  maxRestart: limits.maxRestart.default(2),
  maxRelocate: limits.maxRelocate.default(2),
  stopGraceMs: limits.stopGraceMs.default(60_000),
  failback: z.boolean().default(true),
  startPriority: limits.startPriority.default(0),
  startDelayMs: limits.startDelayMs.default(0),
});
export type VmCreateInput = z.input<typeof vmCreateSchema>;

const vmInput = z.object({ vm: nameOrIdSchema });
const vmChange = vmInput.extend({ requestId: requestIdSchema });
const moveInput = vmChange.extend({
  to: nameOrIdSchema,
  /** Also to a host that its rules would have it leave at once. */
  force: z.boolean().default(false),
});
const movedSchema = taskSchema.extend({
  /** Why the host that answers does not know whether a link connects: the task may fail for it; null: it does, or none is needed. */
  unseen: reasonSchema.nullable(),
});
const vmAnswer = z.object({ id: z.string(), name: z.string() });

export const vmContract = {
  create: base
    .route({ method: "POST", path: "/vms", summary: "Define a VM; it is not started" })
    .input(vmCreateSchema.extend({ requestId: requestIdSchema }))
    .output(vmAnswer),
  list: base
    .route({ method: "GET", path: "/vms", summary: "All VMs" })
    .output(z.object({ asOfMs: asOfMsSchema, vms: z.array(vmSummarySchema) })),
  show: base
    .route({ method: "GET", path: "/vms/{vm}", summary: "One VM" })
    .input(vmInput)
    .output(z.object({ asOfMs: asOfMsSchema, vm: vmDetailSchema })),
  start: base
    .route({ method: "POST", path: "/vms/{vm}/start", summary: "Want the VM started" })
    .input(vmChange)
    .output(taskSchema.extend({ bearsLess: bearsLessSchema })),
  stop: base
    .route({ method: "POST", path: "/vms/{vm}/stop", summary: "Want the VM stopped: asks the guest, then ends QEMU" })
    .input(
      vmChange.extend({
        /** How long the guest may take this time, instead of the VM's own time; 0: it is not asked. */
        graceMs: limits.stopGraceMs.optional(),
      }),
    )
    .output(taskSchema),
  migrate: base
    .route({ method: "POST", path: "/vms/{vm}/migrate", summary: "Move a VM to a host, running if that can be done" })
    .input(moveInput)
    .output(movedSchema),
  relocate: base
    .route({ method: "POST", path: "/vms/{vm}/relocate", summary: "Stop a VM and start it on another host" })
    .input(moveInput)
    .output(movedSchema),
  cancelMove: base
    .route({ method: "POST", path: "/vms/{vm}/cancel-move", summary: "Call a VM's move off; it goes on where it is" })
    .input(vmChange)
    .output(vmAnswer),
  reset: base
    .route({
      method: "POST",
      path: "/vms/{vm}/reset",
      summary: "Press the VM's reset button; answers when it was done",
    })
    .input(vmChange)
    .output(vmAnswer),
  delete: base
    .route({ method: "DELETE", path: "/vms/{vm}", summary: "Remove a stopped VM and its disks" })
    .input(vmChange)
    .output(
      vmAnswer.extend({
        /** What became of its disks: `kept` says why the image still lies in the pool. */
        volumes: z.array(
          z.object({
            volume: z.string(),
            pool: z.string(),
            kept: troubleSchema.nullable(),
          }),
        ),
      }),
    ),
  set: base
    .route({ method: "PATCH", path: "/vms/{vm}", summary: "Change what is wanted of a VM" })
    .input(
      vmChange.extend({
        ...wishSchema.partial().shape,
        /** `enabled` is another word for `started`. */
        requested: z.enum([...requestedStateSchema.options, "enabled"]).optional(),
        /** Its size, and what processor it sees: only while nobody holds it. */
        cpus: size.cpus.optional(),
        memoryMiB: size.memoryMiB.optional(),
        cpuModel: cpuModelSchema.optional(),
        /** Takes away the lock of work that is known to be dead. */
        unlock: z.boolean().optional(),
        accept: acceptSchema,
      }),
    )
    .output(
      vmAnswer.extend({
        ...wishSchema.shape,
        ...size,
        cpuModel: z.string(),
        /** The host to which it was on its way, or ordered: nothing becomes of that, because nobody manages it now. */
        moveVoided: z.string().nullable(),
        bearsLess: bearsLessSchema,
      }),
    ),
  explain: base
    .route({ method: "GET", path: "/vms/{vm}/explain", summary: "The last decisions about a VM, and why" })
    .input(vmInput.extend({ limit: z.coerce.number<number>().int().min(1).max(100).default(10) }))
    .output(
      z.object({
        asOfMs: asOfMsSchema,
        vm: vmDetailSchema,
        decisions: z.array(eventSchema.extend({ alternatives: z.array(alternativeSchema) })),
      }),
    ),
};
