import type { VmRun } from "../../ports/hypervisor.ts";

export function runKey(run: VmRun): string {
  return `${run.incarnation}/${run.vm}.${run.epoch}`;
}

/** The name of a run within its incarnation's folder. */
export function folderName(run: VmRun): string {
  return `${run.vm}.${run.epoch}`;
}
