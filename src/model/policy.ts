import { z } from "zod";
import { actorSchema, schema1, wallMs } from "./branded.ts";

/** What happens to the VMs of a host that is shut down or rebooted in order. */
export const shutdownPolicySchema = z.enum(["conditional", "freeze", "failover", "migrate"]);
export type ShutdownPolicy = z.infer<typeof shutdownPolicySchema>;

export const schedulerSchema = z.object({
  /** How the best host is found: number of VMs, configured sizes, or measured use. */
  mode: z.enum(["basic", "static", "dynamic"]).default("basic"),
  /** A VM that is started goes to the best host first, instead of where it ran last. */
  rebalanceOnStart: z.boolean().default(false),
  autoRebalance: z
    .object({
      enabled: z.boolean().default(false),
      method: z.enum(["bruteforce", "topsis"]).default("bruteforce"),
      /** Imbalance (coefficient of variation of the hosts' loads) above which a move is looked for. */
      threshold: z.number().min(0).default(0.3),
      /** How long it must last. */
      holdMs: z.int().min(0).default(30_000),
      /** The part of the imbalance that a move must take away to be worth it. */
      margin: z.number().min(0).max(1).default(0.1),
    })
    .prefault({}),
});
export type Scheduler = z.infer<typeof schedulerSchema>;

/** `/policy/`: what holds for the whole cluster. Fields that an older version did not write have their defaults. */
export const policySchema = z.object({
  schema: schema1,
  /** Memory that is kept for the host itself, MiB. */
  hostReserveMiB: z.int().min(0),
  shutdownPolicy: shutdownPolicySchema.default("conditional"),
  scheduler: schedulerSchema.prefault({}),
  /** After this many losses within the window, a host gets no new VMs for a while. 0: never. */
  quarantine: z
    .object({
      losses: z.int().min(0).default(3),
      windowMs: z.int().min(1).default(3_600_000),
      holdMs: z.int().min(0).default(7_200_000),
    })
    .prefault({}),
  /** `cluster status` warns where fewer losses of hosts than this can be borne. */
  wantedHostLosses: z.int().min(0).default(1),
  /** Guests that leave a host, or come to it, while they run: so many at a time; further moves wait for their turn. */
  movesPerHostMax: z.int().min(1).default(2),
  /** How guests move while they run; the same for all hosts. */
  migration: z
    .object({
      /** Links by kind or subnet, in the order in which they are tried; then only these. Empty: the default order. */
      links: z.array(z.string()).default([]),
      /** Of each move; null: what the link bears. */
      bandwidthMiBps: z.int().min(1).nullable().default(null),
      /** For how long a guest may stand still for what is copied last. Without KVM it stands the whole time. */
      downtimeMs: z.int().min(1).default(300),
      /** False only where the link is a direct cable: whoever reaches its addresses reads memory, or sends a guest. */
      tls: z.boolean().default(true),
    })
    .prefault({}),
  /** A move that failed this often in a row is not tried again until somebody or something changes. */
  moveAttemptsMax: z.int().min(1).default(5),
  /** Whether VMs go back to a host whose maintenance ended: as each VM's `failback` says, or in any case. */
  returnAfterMaintenance: z.enum(["always", "as-failback"]).default("always"),
});
export type Policy = z.infer<typeof policySchema>;

/** The policy of a cluster whose record is not there yet. */
export const defaultPolicy: Policy = policySchema.parse({ schema: 1, hostReserveMiB: 0 });

/**
 * `/disarm/`: while it exists, nothing is started, moved, restarted or recovered. `freeze`: the VMs stay managed;
 * `ignore`: they count as not managed.
 */
export const disarmSchema = z.object({
  schema: schema1,
  mode: z.enum(["freeze", "ignore"]),
  by: actorSchema,
  at: wallMs,
});
export type Disarm = z.infer<typeof disarmSchema>;
