import type { HostFacts } from "../model/records.ts";
import type { VmRun } from "./hypervisor.ts";

export type HostReading = Pick<
  HostFacts,
  | "cpuVendor"
  | "cpuModel"
  | "cpuFlags"
  | "guestCpu"
  | "cores"
  | "memoryMiB"
  | "memoryForVmsMiB"
  | "memoryIsConfigured"
  | "versions"
  | "clockOffsetMs"
  | "routedAddresses"
  | "networks"
  | "pools"
  | "checks"
>;

/** CPU time since the host or the run began, in microseconds, and what is taken of the memory now, without page cache. */
export type Use = { readonly cpuUs: number; readonly memoryMiB: number };

/** What a host and runs on it had used at one moment. `unknown`: it cannot be read, which is not the same as nothing. */
export type Measurement = {
  /** Of a clock of the sensors' own that never goes back: only differences mean anything. */
  readonly atMs: number;
  readonly host: Use | "unknown";
  readonly runs: readonly { readonly run: VmRun; readonly use: Use | "unknown" }[];
};

/** What this host is and how it is. What cannot be read is a check with level `unknown`, never a guess. */
export interface Sensors {
  read(done: (reading: HostReading) => void): void;
  /** Answers for each of `runs`, also for what is gone meanwhile. Changes nothing, and may be asked again at any time. */
  measure(runs: readonly VmRun[], done: (measurement: Measurement) => void): void;
}
