import { statfs } from "node:fs/promises";
import type { HostConfig } from "../../model/config.ts";
import type { Check } from "../../model/reason.ts";

const mebibyte = 1024 * 1024;
/** The store's member, the journal and the incarnation file lie there; a segment of the member's log alone is 64 MiB. */
const leastMiB = { fail: 64, warn: 256 } as const;
/** Free space is rounded down to this, so that not every written block becomes a new record of facts. */
const spaceStepMiB = 16;

/** How much room the disk has on which this host keeps its own state. */
export async function readStateDisk({ host, stateDir }: Pick<HostConfig, "host" | "stateDir">): Promise<Check> {
  try {
    const { blocks, bavail, bsize } = await statfs(stateDir);
    return stateDiskCheck(host, stateDir, (blocks * bsize) / mebibyte, (bavail * bsize) / mebibyte);
  } catch {
    return { id: "state-disk-unreadable", subject: host, level: "unknown", params: { host, path: stateDir } };
  }
}

/** `fail`: too little for the next thing that is written. Sizes in MiB; a small disk may fill up to a larger part. */
export function stateDiskCheck(host: string, path: string, totalMiB: number, freeMiB: number): Check {
  const fails = freeMiB < Math.min(leastMiB.fail, totalMiB / 16);
  const warns = freeMiB < Math.min(leastMiB.warn, totalMiB / 4);
  const free = Math.floor(freeMiB / spaceStepMiB) * spaceStepMiB;
  const level = fails ? "fail" : warns ? "warn" : "ok";
  const sizes: Check["params"] = warns ? { freeMiB: free, totalMiB: Math.round(totalMiB) } : {};
  return { id: "state-disk-full", subject: host, level, params: { host, path, ...sizes } };
}
