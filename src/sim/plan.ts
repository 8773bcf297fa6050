import { profiles, withoutDeadline } from "../core/limits.ts";
import type { GroupPoints } from "../model/point-records.ts";
import type { Scheduler } from "../model/policy.ts";
import type { Pool, RequestedState } from "../model/records.ts";
import type { SimCpu } from "./world/processors.ts";

export type PlannedVm = {
  readonly name: string;
  readonly pool: string;
  readonly memoryMiB: number;
  /** 1 where it is not said. */
  readonly cpus?: number;
  readonly requested: RequestedState;
  readonly maxRestart: number;
  readonly maxRelocate: number;
  /** True where it is not said. */
  readonly failback?: boolean;
  readonly startPriority?: number;
  readonly startDelayMs?: number;
  /** By default the most that there is. */
  readonly cpuModel?: string;
  /** One where it is not said. */
  readonly disks?: number;
};

export type PlannedGroup = {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly vms: readonly string[];
  /** In cycles, and how many seconds of writes a failover by itself may lose; not there: each write as it is made. */
  readonly everyS?: number;
  readonly lossS?: number;
  /** Null, or absent: recovery points by hand alone. */
  readonly points?: GroupPoints | null;
};

/** Of all layouts: `two` is that of two hosts that vote, and of nobody else (S23). */
export const planProfiles = { ...profiles, two: withoutDeadline } as const;
export type ProfileName = keyof typeof planProfiles;

/**
 * Seeds come in streams: worlds of three to five hosts; the same where half of the VMs have their disks with their host alone (S15); and
 * worlds of two hosts that vote, and of nobody else (S23). The same number is another night in each.
 */
export const seedLayouts = ["many", "local", "two"] as const;
export type SeedLayout = (typeof seedLayouts)[number];

/** One fault or order of a plan. Plain data, so that it can be recorded, dropped by the shrinker and written by hand. */
export type FaultEvent = {
  readonly atMs: number;
  readonly kind: string;
  /** Hosts by name, where the kind asks for them. */
  readonly host?: string;
  readonly other?: string;
  readonly vm?: string;
  /** How long it lasts, where it does. */
  readonly forMs?: number;
  /** Milliseconds, parts per million, a name: as the kind wants. */
  readonly value?: number;
  readonly text?: string;
};

/** What the guarantee does not cover (docs/RULES.md, "Outside the guarantee"). */
export const outsideLimits = ["clock-rate", "device-lies", "both-guards"] as const;
export type OutsideLimit = (typeof outsideLimits)[number];

/**
 * Everything a run is made of, as plain data: (code, plan) decide every byte of its story. A seed makes a plan; a
 * recorded or shrunk plan is replayed as it stands; a scenario file is a plan written by hand.
 */
export type WorldPlan = {
  readonly schema: 1;
  readonly seed: string;
  readonly profile: ProfileName;
  /** Processors by host; of those that are not named nobody asked. */
  readonly hostCpus?: Readonly<Record<string, SimCpu>>;
  /** What guests run with on all hosts; by default emulation. */
  readonly accel?: "kvm" | "tcg";
  /** Hosts whose heart and guards hold to another profile (S7). */
  readonly hostProfiles?: Readonly<Record<string, ProfileName>>;
  readonly hosts: number;
  /** Names of the hosts in their order, where they are not to be h1, h2, … */
  readonly hostNames?: readonly string[];
  /** Of these, the last is a witness: it votes and may manage, and runs no VM. */
  readonly witness: boolean;
  /** Members of the store, on the first hosts. */
  readonly voters: number;
  readonly hostMemoryMiB: number;
  readonly devices: boolean;
  /** What of the policy is not as by default. */
  readonly scheduler?: Pick<Scheduler, "mode" | "rebalanceOnStart"> & Partial<Pick<Scheduler, "autoRebalance">>;
  readonly pools: readonly { readonly name: string; readonly kind: Pool["kind"] }[];
  readonly vms: readonly PlannedVm[];
  /** Availability groups, of VMs whose disks lie with one host. */
  readonly groups?: readonly PlannedGroup[];
  /** Faults and the operator's orders, by time. */
  readonly events: readonly FaultEvent[];
  /** From here on every fault is over; the world heals. */
  readonly healAtMs: number;
  /** Everything has come to rest by then (liveness). */
  readonly restByMs: number;
  readonly endAtMs: number;
  /** What of the guarantee's limits this world breaks on purpose; empty: everything must hold. */
  readonly outside: readonly OutsideLimit[];
};
