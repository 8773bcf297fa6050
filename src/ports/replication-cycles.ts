import type { HostId, VmId, VolumeId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import type { HypervisorEnd, VmRun } from "./hypervisor.ts";
import type { Door } from "./migration.ts";
import type { CeaseEnd, ReceiveEnd, ReceiveRequest, ReplicaVolume } from "./replication.ts";

// Asynchronous replication, as docs/designs/0007-asynchronous-cycles.md has it: every so often what was written since the
// last time, of all of a VM's disks at one moment. The guest never waits for the other host for longer than the driver's
// own limit, and what is not whole there counts for nothing (S25).

/** The host of the copies. After `unknown` the same call may be repeated. */
export interface CycleTarget {
  /**
   * Lets in the cycles of one run, and makes the copies where there are none. Cycles of an earlier epoch are let in no more
   * (S19); an earlier epoch than the last is refused. Repeating it breaks off a cycle that is under way, and is harmless
   * otherwise.
   */
  receiveCycles(request: ReceiveRequest, done: (end: ReceiveEnd) => void): void;
  /** The last one that is sealed; null: there is none. It is a recovery point too, as those before it are. */
  lastCycle(vm: VmId, done: (cycle: SealedCycle | null) => void): void;
  /**
   * For a start from a recovery point, be it a cycle or another one: as `cease`, and the copies hold what the point holds. It
   * stays a point, as those before it do; those after it stay too, as branches, and so does what the copies held (S18, S20).
   * Also where this host has been off since, or its own disks of the VM lie upon the point. Repeating it is harmless as long
   * as nothing was started from there.
   */
  ceaseAt(vm: VmId, volumes: readonly ReplicaVolume[], back: GoBack, done: (end: CeaseEnd) => void): void;
  /**
   * Before each start of the VM from disks of this host: as `cease`, and where its copies are in cycles as `ceaseAt` with the
   * last one. Also where this host has been off since. Refused, in cycles: none is sealed, and no guest can start from them.
   */
  ceaseForStart(vm: VmId, volumes: readonly ReplicaVolume[], done: (end: CeaseEnd) => void): void;
}

/**
 * `id`: of this very going back, and of what the copies held; never used for another point of this VM. `keeps`: what they hold is
 * of one moment of all disks; false: it is of no use to anybody, and is removed.
 */
export type GoBack = { readonly point: string; readonly id: string; readonly keeps: boolean };

export type CycleRequest = {
  readonly to: HostId;
  /** Tried in this order. */
  readonly doors: readonly Door[];
  readonly tls: boolean;
  /** All volumes of the VM, in its order. */
  readonly volumes: readonly { readonly volume: VolumeId; readonly sizeMiB: number }[];
  /** Of each disk, so that the link stays free for others; null: as fast as it goes. */
  readonly mibPerSecond: number | null;
};

/**
 * `sealed`: the copies hold all volumes as they were at `cycle.at`. `broken`: there is no such cycle, the guest goes on, and
 * what it should have had is in the next one. `unknown`: it may be sealed; the next one finds out.
 */
export type CycleEnd =
  | {
      readonly kind: "sealed";
      readonly cycle: SealedCycle;
      readonly sentMiB: number;
      /** True: everything was sent, because nobody knew what was missing there. */
      readonly whole: boolean;
    }
  | { readonly kind: "broken"; readonly code: string; readonly params: Params }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/** The host of the run. One cycle of a run at a time: another one meanwhile is refused. */
export interface CycleSource {
  /** What was written since the last sealed cycle that the copies have, or everything where that is not known. */
  cycle(run: VmRun, request: CycleRequest, done: (end: CycleEnd) => void): void;
  /** No cycle is under way any more, and nothing is noted for a next one. */
  endCycles(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /** The runs of which a cycle was begun, also by an earlier driver, and which were not ended since. */
  cycled(): readonly VmRun[];
}
