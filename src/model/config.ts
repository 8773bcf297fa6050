import { z } from "zod";
import type { ClusterId, HostId, NetworkId, PoolId } from "./ids.ts";

const text = z.string().min(1);

/** D, P and M of a host (S7): its guards enforce D; what is behind the bounds stands in core/limits.ts. */
export const profileSchema = z.object({
  name: text,
  heartbeatMs: z.int().min(100),
  deadlineMs: z.int().min(1000),
  marginMs: z.int().min(600),
});
export type Profile = z.infer<typeof profileSchema>;

/** The host's own configuration file (YAML). */
export const hostConfigSchema = z.strictObject({
  host: text.transform((id) => id as HostId),
  cluster: text.transform((id) => id as ClusterId),
  /** Identifies this machine over boots. */
  machine: text,
  role: z.enum(["host", "witness"]),
  runDir: text,
  stateDir: text,
  cgroup: text,
  store: z.strictObject({ endpoints: z.array(text).min(1), ca: text, cert: text, key: text }),
  profile: profileSchema,
  /** Cluster network → bridge of this host. */
  networks: z.record(
    text.transform((id) => id as NetworkId),
    text,
  ),
  /** Pool → folder on this host, where it differs from the pool's own path. */
  pools: z.record(
    text.transform((id) => id as PoolId),
    text,
  ),
  /** Null: what the host has less the cluster's reserve. */
  memoryForVmsMiB: z.int().min(0).nullable(),
  accel: z.enum(["auto", "kvm", "tcg"]),
  /** Null: no watchdog device; the host then carries the warning that the guards are its only stop (S4). */
  watchdog: text.nullable(),
  /** Of a cluster of two: whether a device's proof lets this host go on alone by itself, or only a person's order (S23). */
  takeover: z.enum(["order", "device"]).default("order"),
  /** How this machine is restarted and switched off in order: program and arguments, run without a shell. */
  commands: z
    .strictObject({
      reboot: z.array(text).min(1).default(["systemctl", "reboot"]),
      powerOff: z.array(text).min(1).default(["systemctl", "poweroff"]),
      /** Ends this host's member of the store; its supervisor starts it again, as `memberCommand` does. */
      restartStore: z.array(text).min(1).default(["systemctl", "restart", "holdfast-etcd"]),
    })
    .prefault({}),
});
export type HostConfig = z.infer<typeof hostConfigSchema>;
