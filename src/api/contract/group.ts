import { z } from "zod";
import { pointProofSchema } from "../../model/point-proof.ts";
import { groupPointsSchema } from "../../model/point-records.ts";
import { reasonSchema } from "../../model/reason.ts";
import {
  acceptSchema,
  asOfMsSchema,
  base,
  groupStatusSchema,
  nameOrIdSchema,
  requestIdSchema,
  wallMsSchema,
} from "./base.ts";
import { taskSchema } from "./task.ts";

const named = z.object({ id: z.string(), name: z.string() });

/** One VM of a group, with what its copy has. */
const protectedVmSchema = named.extend({
  /** Where it is, and where its copy is; null: not known. */
  on: named.nullable(),
  copyOn: named.nullable(),
  /** `none`: nothing is recorded of it. Otherwise as the copy's record says, of the run that there is now. */
  copy: z.enum(["none", "mixed", "copying", "in-sync", "stale", "sealed", "diverged", "unknown"]),
  /** For how long the VM has gone on without its copy; null: it does not. */
  aloneMs: z.int().min(0).nullable(),
  /**
   * Who says so: the store's record, or the host that was asked, of its own run, which the store was not told yet; null: nobody.
   * `waiting`: a write waits for the copy, by that host's word.
   */
  aloneBy: z.enum(["record", "host"]).nullable(),
  waiting: z.boolean(),
  /** MiB that the copy lacks, which are lost with the VM's host; null: not known, or nothing. */
  atRiskMiB: z.number().min(0).nullable(),
  /** In cycles: the moment that the copy holds, and how long ago that was; null: there is none, or it does not go by cycles. */
  copyAt: wallMsSchema.nullable(),
  lagMs: z.int().min(0).nullable(),
  /** Of the link to its copy, with the host behind it: the best that was seen lately; null: nothing was seen yet. */
  link: z.object({ latencyMs: z.number().min(0).nullable(), mibPerSecond: z.number().min(0).nullable() }),
  /** While it is copied. */
  copying: z
    .object({
      percent: z.int().min(0).max(100),
      mibPerSecond: z.number().min(0),
      remainingMiB: z.number().min(0),
      /** Null: not to be said yet. */
      remainingMs: z.int().min(0).nullable(),
    })
    .nullable(),
  /**
   * Its recovery points, and what the last test failover came to. Not among them: branches, and what is kept only while its copies are
   * brought up to date.
   */
  points: z.object({
    count: z.int().min(0),
    branches: z.int().min(0),
    newestAt: wallMsSchema.nullable(),
    proof: pointProofSchema.nullable(),
  }),
});
export type ProtectedVm = z.infer<typeof protectedVmSchema>;

export const groupSchema = z.object({
  name: z.string(),
  /** One word for all of it; `reasons` say why. */
  status: groupStatusSchema,
  reasons: z.array(reasonSchema),
  /** What is to be known beside that, and somebody may want to see to: it is no part of the status. */
  notes: z.array(reasonSchema),
  /** As it was made. */
  from: named,
  to: named,
  /** From where to where its VMs are copied now: after a failover the other way round; two where they are on both hosts. */
  directions: z.array(z.object({ from: named, to: named, vms: z.array(z.string()) })),
  mode: z.enum(["synchronous", "asynchronous"]),
  /** For how long a write waits for a copy that does not answer; null: writes do not wait. */
  boundMs: z.int().nullable(),
  /** In cycles: how often, and what a failover by itself may lose; null: writes wait, or it goes by order alone. */
  everyS: z.int().nullable(),
  lossS: z.int().nullable(),
  /** When its VMs get recovery points, and how long those stay; null: only by hand. */
  points: groupPointsSchema.nullable(),
  /** MiB that its copies and their points may take; null: what both hosts have free. And what they take at most now. */
  quotaMiB: z.int().nullable(),
  useMiB: z.int().min(0),
  resume: z.enum(["automatic", "manual"]),
  createdAt: wallMsSchema,
  vms: z.array(protectedVmSchema),
});
export type GroupOutput = z.infer<typeof groupSchema>;

const groupNameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{1,62}$/u, "group-name-malformed");
const modeInput = {
  mode: z.enum(["synchronous", "asynchronous"]).optional(),
  boundMs: z.int().min(500).max(30_000).optional(),
  everyS: z.int().min(5).max(86_400).optional(),
  lossS: z.int().min(0).max(604_800).nullable().optional(),
};
const optionsInput = {
  /** MiB in the target's pools for the copies and their recovery points; null: what both hosts have free. */
  quotaMiB: z.int().min(1).max(1_000_000_000).nullable().optional(),
  /** Whether a copy that was left behind is brought up to date by itself, or when somebody says so. */
  resume: z.enum(["automatic", "manual"]).optional(),
};
const vmsSchema = z.array(nameOrIdSchema).min(1).max(60);
const groupInput = z.object({ group: z.string().min(1).max(200) });
const groupChange = groupInput.extend({ requestId: requestIdSchema });
/** Which of its VMs; not there: all. */
const oneVm = { vm: nameOrIdSchema.optional() };
/** The recovery point that it goes back to, by its name or `newest`; not there: from what its copy has. Of one VM. */
const toPoint = { ...oneVm, point: z.string().max(80).optional() };
const groupAnswer = z.object({ group: groupSchema });

const lossesSchema = z.object({
  vms: z.array(
    named.extend({
      to: named,
      /** `whole`: nothing is lost, and it needs no order. `earlier-point`: as asked. Otherwise what is the matter with its copy. */
      code: z.string(),
      /** Everything after it is lost; for how long, and how much as far as it is known. */
      since: wallMsSchema.nullable(),
      lostMs: z.number().min(0).nullable(),
      lostMiB: z.number().min(0).nullable(),
      /** Whether its host is proven gone; where it is silent, that follows on the order. */
      proof: z.enum(["not-needed", "there", "missing"]),
      /** What the order has to accept, for as long as the copy is as it is. */
      accept: z.string(),
      /** The recovery point that it goes back to; not there: it goes on from what its copy has. */
      point: z.string().optional(),
      /** It runs, and is stopped for it. */
      stops: z.literal(true).optional(),
    }),
  ),
});
export type Losses = z.infer<typeof lossesSchema>;

export const groupContract = {
  create: base
    .route({ method: "POST", path: "/groups", summary: "Protect VMs of one host by copies on another" })
    .input(
      z.strictObject({
        group: groupNameSchema,
        from: nameOrIdSchema,
        to: nameOrIdSchema,
        vms: vmsSchema,
        ...modeInput,
        ...optionsInput,
        requestId: requestIdSchema,
      }),
    )
    .output(groupAnswer),
  list: base
    .route({ method: "GET", path: "/groups", summary: "All availability groups, and how they are" })
    .output(z.object({ asOfMs: asOfMsSchema, groups: z.array(groupSchema) })),
  show: base
    .route({ method: "GET", path: "/groups/{group}", summary: "One availability group" })
    .input(groupInput)
    .output(z.object({ asOfMs: asOfMsSchema, group: groupSchema })),
  set: base
    .route({ method: "PATCH", path: "/groups/{group}", summary: "Take VMs in or out, or change how they are copied" })
    .input(
      groupChange.extend({
        addVms: vmsSchema.optional(),
        removeVms: vmsSchema.optional(),
        ...modeInput,
        points: groupPointsSchema.partial().optional(),
        ...optionsInput,
        accept: acceptSchema,
      }),
    )
    .output(groupAnswer),
  pause: base
    .route({ method: "POST", path: "/groups/{group}/pause", summary: "Copy nothing until it is resumed" })
    .input(groupChange)
    .output(groupAnswer),
  resume: base
    .route({ method: "POST", path: "/groups/{group}/resume", summary: "Copy again" })
    .input(groupChange)
    .output(groupAnswer),
  switchover: base
    .route({
      method: "POST",
      path: "/groups/{group}/switchover",
      summary: "Move all its VMs to the host of their copies",
    })
    .input(
      groupChange.extend({
        to: nameOrIdSchema,
        /** `live`: as they run. `stopped`: each is stopped, and started there. Nothing is lost either way. */
        manner: z.enum(["live", "stopped"]).default("live"),
        ...oneVm,
      }),
    )
    /** `notes`: what is to be known of the time after it. */
    .output(z.object({ tasks: z.array(taskSchema), notes: z.array(reasonSchema) })),
  losses: base
    .route({ method: "GET", path: "/groups/{group}/losses", summary: "What a failover by hand would lose now" })
    .input(groupInput.extend({ to: nameOrIdSchema, ...toPoint }))
    .output(lossesSchema),
  failover: base
    .route({ method: "POST", path: "/groups/{group}/failover", summary: "Go on from copies that lack something" })
    .input(groupChange.extend({ to: nameOrIdSchema, accept: z.array(z.string().max(2_000)).max(60), ...toPoint }))
    .output(lossesSchema),
  delete: base
    .route({
      method: "DELETE",
      path: "/groups/{group}",
      summary: "End the protection, and say what becomes of the copies",
    })
    .input(
      groupChange.extend({
        /** `remove`: with their recovery points, as soon as their host is there. Has to be said where there are copies. */
        replicas: z.enum(["keep", "remove"]).optional(),
        accept: acceptSchema,
      }),
    )
    .output(z.object({ name: z.string() })),
};
