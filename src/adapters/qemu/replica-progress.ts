import type { CopyProgress } from "../../ports/replication.ts";
import type { MirrorJob } from "./replica-job.ts";

const mebibyte = 1024 * 1024;

/** `before`: what was left at the last look, in this process's milliseconds. */
export function progressOfCopy(
  jobs: readonly Pick<MirrorJob, "len" | "offset" | "ready">[],
  before: { readonly at: number; readonly bytes: number } | undefined,
  now: number,
): { readonly progress: CopyProgress; readonly leftBytes: number } {
  const total = jobs.reduce((sum, { len }) => sum + len, 0);
  const leftBytes = jobs.reduce((sum, { len, offset }) => sum + Math.max(0, len - offset), 0);
  const isOver = leftBytes === 0 && jobs.every(({ ready }) => ready);
  const share = total === 0 ? 1 : 1 - leftBytes / total;
  const seconds = before === undefined ? 0 : (now - before.at) / 1_000;
  const copied = before === undefined ? 0 : Math.max(0, before.bytes - leftBytes);
  return {
    progress: {
      percent: isOver ? 100 : Math.min(99, Math.floor(share * 100)),
      remainingMiB: Math.ceil(leftBytes / mebibyte),
      mibPerSecond: seconds > 0 ? Math.round(copied / mebibyte / seconds) : 0,
    },
    leftBytes,
  };
}
