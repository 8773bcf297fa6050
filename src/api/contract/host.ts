import { z } from "zod";
import { actorSchema } from "../../model/branded.ts";
import { shutdownPolicySchema } from "../../model/policy.ts";
import { checkSchema } from "../../model/reason.ts";
import { linkKindSchema } from "../../model/records.ts";
import {
  acceptSchema,
  asOfMsSchema,
  base,
  nameOrIdSchema,
  requestIdSchema,
  standstillSchema,
  usageSchema,
  wallMsSchema,
} from "./base.ts";
import { removalContract } from "./host-removal.ts";

/**
 * `up`: heartbeats come. `silent`: none for longer than its deadline; its VMs stand still or soon will, which is not the
 * same as gone. `fenced`: it may run nothing until it rejoins. `absent`: never seen since it became a member.
 * `unknown`: the host that answers hears nothing itself. Of a witness, which votes and runs no VMs, `up` and `silent` say whether
 * its member of the store answers.
 */
export const hostStateSchema = z.enum(["up", "silent", "fenced", "absent", "unknown"]);

export const hostSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(["host", "witness"]),
  state: hostStateSchema,
  incarnation: z.int().nullable(),
  /** Since this host saw its last heartbeat; null: never. */
  heartbeatAgeMs: z.int().nullable(),
  /**
   * Whether its VMs stand still: by its own word where it is up or answers itself; true also where it was silent or fenced for
   * so long that its guards have seen to it (S2, S9); null: unknown.
   */
  frozen: z.boolean().nullable(),
  /** Only of the host that answers, and only while its VMs stand still. */
  standstill: standstillSchema.nullable(),
  agentAgeMs: z.int().nullable(),
  accel: z.enum(["kvm", "tcg"]).nullable(),
  cores: z.int().nullable(),
  /** What VMs may use in all, and what those that it holds take; null: unknown. */
  memoryForVmsMiB: z.int().nullable(),
  memoryUsedMiB: z.int(),
  vms: z.int(),
  /** Asked for by a person: its VMs leave, and none come. */
  maintenance: z.object({ by: actorSchema, reason: z.string(), at: wallMsSchema }).nullable(),
  /** What its agent says it is about to do. `restart`: VMs wait for it. `shutdown`, `leaving`: they go elsewhere. */
  mode: z.enum(["active", "restart", "shutdown", "leaving"]),
  next: z.enum(["nothing", "agent-restart", "reboot", "power-off"]),
  /** It went down in order, after its last word: it is not lost, and comes back when it is switched on. */
  leftInOrder: z.boolean(),
  /** It is fenced, and its device has confirmed that it is off: nobody switches it on by himself. */
  poweredOff: z.boolean(),
  /** It was lost too often and gets no new VMs until then; null: it gets them. */
  quarantinedUntil: wallMsSchema.nullable(),
});
export type HostSummary = z.infer<typeof hostSummarySchema>;

export const hostDetailSchema = hostSummarySchema.extend({
  machine: z.string().nullable(),
  registeredAt: wallMsSchema.nullable(),
  joinedAt: wallMsSchema.nullable(),
  links: z.array(z.object({ kind: linkKindSchema, address: z.string(), subnet: z.string() })),
  cpuVendor: z.string().nullable(),
  cpuModel: z.string().nullable(),
  /** What guests can be shown, by the host's own QEMU; null: it could not be asked. `models`: those that it can run. */
  guestCpu: z.object({ vendor: z.string(), models: z.array(z.string()) }).nullable(),
  memoryMiB: z.int().nullable(),
  usage: usageSchema,
  versions: z.record(z.string(), z.string()),
  clockOffsetMs: z.number().nullable(),
  networks: z.array(z.object({ network: z.string(), bridge: z.string(), unfit: z.string().nullable() })),
  pools: z.array(z.object({ pool: z.string(), capacityMiB: z.int(), freeMiB: z.int(), unfit: z.string().nullable() })),
  checks: z.array(checkSchema),
  fence: z
    .object({
      cause: z.string(),
      by: z.string(),
      device: z.string(),
      proofs: z.array(z.string()),
      at: wallMsSchema,
    })
    .nullable(),
  holds: z.array(z.object({ id: z.string(), name: z.string(), epoch: z.int() })),
});
export type HostDetail = z.infer<typeof hostDetailSchema>;

const hostAnswer = z.object({ id: z.string(), name: z.string() });
/** `accept`: although the cluster has no majority without it. */
const leaveInput = z.object({ host: nameOrIdSchema, accept: acceptSchema, requestId: requestIdSchema });
const leaveAnswer = hostAnswer.extend({ shutdownPolicy: shutdownPolicySchema });

export const hostContract = {
  list: base
    .route({ method: "GET", path: "/hosts", summary: "All members of the cluster" })
    .output(z.object({ asOfMs: asOfMsSchema, hosts: z.array(hostSummarySchema) })),
  show: base
    .route({ method: "GET", path: "/hosts/{host}", summary: "One host" })
    .input(z.object({ host: nameOrIdSchema }))
    .output(z.object({ asOfMs: asOfMsSchema, host: hostDetailSchema })),
  maintenance: base
    .route({
      method: "PUT",
      path: "/hosts/{host}/maintenance",
      summary: "Have all VMs leave a host, and let none come",
    })
    .input(
      z.object({
        host: nameOrIdSchema,
        reason: z.string().max(500).default(""),
        requestId: requestIdSchema,
      }),
    )
    .output(hostAnswer.extend({ /** VMs that it holds now. */ vms: z.int() })),
  release: base
    .route({
      method: "DELETE",
      path: "/hosts/{host}/maintenance",
      summary: "End maintenance and quarantine of a host, take back its order to go down",
    })
    .input(z.object({ host: nameOrIdSchema, requestId: requestIdSchema }))
    .output(
      hostAnswer.extend({
        /** VMs on their way from it for its maintenance: their moves are called off, and they go on there. */
        calledOff: z.array(z.string()),
      }),
    ),
  shutdown: base
    .route({
      method: "POST",
      path: "/hosts/{host}/shutdown",
      summary: "Switch a host off in order: its VMs are dealt with as the shutdown policy says",
    })
    .input(leaveInput)
    .output(leaveAnswer),
  reboot: base
    .route({
      method: "POST",
      path: "/hosts/{host}/reboot",
      summary: "Reboot a host in order: its VMs are dealt with as the shutdown policy says",
    })
    .input(leaveInput)
    .output(leaveAnswer),
  ...removalContract,
};
