import type { Epoch, Incarnation, VmId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { Pool, Vm, VmExit } from "../model/records.ts";

/** One run of one VM: names its cgroup `N/VM.epoch`, its sockets and its process (S6, S14). */
export type VmRun = { readonly vm: VmId; readonly incarnation: Incarnation; readonly epoch: Epoch };

export type StartRequest = {
  readonly run: VmRun;
  readonly vm: Vm;
  /** The pools of its disks, already checked to exist on this host. */
  readonly pools: readonly Pool[];
};

/** `refused`: nothing of it runs; code and params as in `messages`. `unknown`: ask `list` before anything else. */
export type HypervisorEnd =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/**
 * A run's part in a move, told also to a driver that was not there when it began. `incoming`: it
 * never executed. `arriving`: it was let go on, and whether it did is not known; `completeIncoming` sees to it. `leaving`: its guest may stand still for the move; `cancelOut` lets it go on. `handed`: it was ordered
 * to hand the guest over, and never goes on under this name, whatever came of it.
 */
export type MovePart = "incoming" | "arriving" | "leaving" | "handed";

/** What really runs, as the cgroups say. `adopted`: its QMP answers to this process. `move`: it is part of one (ports/migration.ts). */
export type RunningVm = {
  readonly run: VmRun;
  readonly state: "running" | "paused" | "frozen" | "unresponsive";
  readonly adopted: boolean;
  readonly move?: MovePart;
};

/**
 * What happens by itself. `exited` comes once nothing of the run is left, so that its disks are free; a run that `stop`
 * or `kill` ends is answered there and gives no `exited`. What happened while no driver was open is told to the first
 * listener of the next one.
 */
export type VmEvent =
  | { readonly kind: "exited"; readonly run: VmRun; readonly exit: VmExit; readonly detail: string | null }
  | { readonly kind: "paused"; readonly run: VmRun; readonly by: string }
  | { readonly kind: "resumed"; readonly run: VmRun }
  | { readonly kind: "guest-rebooted"; readonly run: VmRun };

export interface Hypervisor {
  readonly accel: "kvm" | "tcg";
  /**
   * Starts a run; `done` once the guest executes. The process is inside its cgroup before exec; a removed or frozen
   * incarnation folder makes it fail or stand still. A run that exists already is refused.
   */
  start(request: StartRequest, done: (end: HypervisorEnd) => void): void;
  /** Also what does not run is `done`. Asks the guest to power off, after `graceMs` ends QEMU, then kills; `done` once nothing of the run is left. */
  stop(run: VmRun, graceMs: number, done: (end: HypervisorEnd) => void): void;
  /**
   * Before an end of the run: its guest is asked to power off, and after `graceMs` stopped as it is. `done`: it stands still and never
   * goes on, and its disks can be read through QEMU until `stop` or `kill`. Repeating it is harmless. A driver that finds such a
   * run ends it, and tells that as an exit.
   */
  halt(run: VmRun, graceMs: number, done: (end: HypervisorEnd) => void): void;
  /** Kills the run's cgroup, also a frozen one, without thawing; `done` once `populated 0` was read and it is removed (S6). */
  kill(run: VmRun, done: (end: HypervisorEnd) => void): void;
  reset(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /**
   * Hands a run over to a new incarnation and epoch: its processes move into the new cgroup and go on where the guards
   * permit it (S11). Only after the owner record says so.
   */
  adopt(run: VmRun, as: VmRun, done: (end: HypervisorEnd) => void): void;
  /** Everything of this host's cluster that has a cgroup, of every incarnation. */
  list(done: (runs: readonly RunningVm[]) => void): void;
  listen(listener: (event: VmEvent) => void): void;
}

/** Disk images in a pool. */
export interface Volumes {
  /** Makes the image where it does not exist; refuses where the pool has no room for it. */
  create(
    pool: Pool,
    volume: string,
    sizeMiB: number,
    format: "raw" | "qcow2",
    done: (end: HypervisorEnd) => void,
  ): void;
  remove(pool: Pool, volume: string, done: (end: HypervisorEnd) => void): void;
  /**
   * The same of an image that was made for the run of this epoch, which was to move here with its disks. Refuses with
   * `volume-not-of-move` where something else lies under its name, and touches nothing then (S15).
   */
  removeArrived(pool: Pool, volume: string, epoch: Epoch, done: (end: HypervisorEnd) => void): void;
}
