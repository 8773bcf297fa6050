import type { HypervisorEnd, VmRun } from "./hypervisor.ts";

/**
 * The file systems of a guest stand still, all that its programs had written on its disks: for a recovery point that its
 * applications find in order. Where no agent answers in the guest, the point is as after a power cut (S20).
 */
export interface GuestFreezer {
  /**
   * `done`: they stand still, until `thaw`, or for `limitMs` at most: then they go on by themselves. Refused: they do not
   * stand still. Unknown: they may, and are let go on.
   */
  freeze(run: VmRun, limitMs: number, done: (end: HypervisorEnd) => void): void;
  /**
   * `done`: they stood still from `freeze` until now, and go on. Refused: they had gone on before, so that what was taken
   * meanwhile is as after a power cut. They go on in either case.
   */
  thaw(run: VmRun, done: (end: HypervisorEnd) => void): void;
}
