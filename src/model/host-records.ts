import { z } from "zod";
import { actorSchema, brandedNumber, brandedText, schema1, wallMs } from "./branded.ts";
import type { HostId, Incarnation, PoolId, VmId } from "./ids.ts";
import { paramsSchema } from "./reason.ts";

/**
 * `/hosts/H/mode/`: what the host's agent is about to do, written by it alone. `active`: its work. `restart`: it or its
 * host comes back soon, its VMs wait for it. `shutdown`: its VMs go elsewhere once they are stopped. `leaving`: it stays
 * up until all its VMs have been moved away.
 */
export const hostModeSchema = z.object({
  schema: schema1,
  incarnation: brandedNumber<Incarnation>(),
  mode: z.enum(["active", "restart", "shutdown", "leaving"]),
  next: z.enum(["nothing", "agent-restart", "reboot", "power-off"]),
  at: wallMs,
});
export type HostMode = z.infer<typeof hostModeSchema>;

/** `/hosts/H/maintenance/`: asked for by a person; its VMs are moved away and none come. Outlives managers and boots. */
export const maintenanceSchema = z.object({
  schema: schema1,
  by: actorSchema,
  reason: z.string(),
  at: wallMs,
  /** Hosts that no link reached from this one when it was ordered, as far as was seen: its VMs go there last of all. */
  unreached: z.array(brandedText<HostId>()).optional(),
});
export type Maintenance = z.infer<typeof maintenanceSchema>;

/** `/hosts/H/losses/`: when the host was lost, newest last; `quarantinedUntil` by the wall clock: never a ground of safety. */
export const hostLossesSchema = z.object({
  schema: schema1,
  /** The last incarnation that is counted. */
  counted: brandedNumber<Incarnation>(),
  at: z.array(wallMs),
  quarantinedUntil: wallMs.nullable(),
});
export type HostLosses = z.infer<typeof hostLossesSchema>;

/** Cores in use (1.5: one and a half) and MiB. */
const usageSchema = z.object({ cores: z.number().min(0), memoryMiB: z.number().min(0) });

/** `/hosts/H/usage/`: measured means of the last while, written by its agent seldom and only where they changed enough. */
export const hostUsageSchema = z.object({
  schema: schema1,
  incarnation: brandedNumber<Incarnation>(),
  host: usageSchema,
  /** By VM id. */
  vms: z.record(z.string(), usageSchema),
  at: wallMs,
});
export type HostUsage = z.infer<typeof hostUsageSchema>;
export type Usage = z.infer<typeof usageSchema>;

/** Own addresses on the cluster's links out of which a default route leads. Absent: not read. */
export const routedAddressesSchema = z.array(z.string()).optional();

/** The pools that it has a folder for. */
export const hostPoolsSchema = z.array(
  z.object({
    pool: brandedText<PoolId>(),
    capacityMiB: z.int(),
    freeMiB: z.int(),
    unfit: z.string().nullable(),
    /** On a device that somebody can pull out. Absent: it is not. */
    removable: z.boolean().optional(),
  }),
);

/** VMs whose copies it is to take, or to send, and does not, and why: codes of `messages`. For people; nothing rests on it. */
export const copiesRefusedSchema = z.array(
  z.object({ vm: brandedText<VmId>(), code: z.string(), params: paramsSchema }),
);

/** Of a run whose VM's model is `compatible`: what that was at its start. A move keeps it (PL8). */
export const runCpuModelSchema = z.string().optional();

/**
 * The processor as guests can be shown it, by the word of the host's own QEMU under the accelerator in use. Absent: it could
 * not be asked, or nobody did.
 */
export const guestCpuSchema = z.object({
  /** Of the most that there is: the host's maker, or under emulation whom the emulator names. */
  vendor: z.string(),
  flags: z.array(z.string()),
  /** What each of QEMU's models would miss here; nothing: it can be run. */
  models: z.record(z.string(), z.array(z.string())),
});
export type GuestCpu = z.infer<typeof guestCpuSchema>;
