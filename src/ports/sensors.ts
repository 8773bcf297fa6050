import type { HostFacts } from "../model/records.ts";

export type HostReading = Pick<
  HostFacts,
  | "cpuVendor"
  | "cpuModel"
  | "cpuFlags"
  | "cores"
  | "memoryMiB"
  | "memoryForVmsMiB"
  | "versions"
  | "clockOffsetMs"
  | "networks"
  | "pools"
  | "checks"
>;

/** What this host is and how it is. What cannot be read is a check with level `unknown`, never a guess. */
export interface Sensors {
  read(done: (reading: HostReading) => void): void;
}
