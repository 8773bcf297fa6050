import type { Epoch, HostId, VmId, VolumeId } from "../model/ids.ts";
import type { Consistency, PointOrigin } from "../model/point-records.ts";
import type { Params } from "../model/reason.ts";
import type { Pool } from "../model/records.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import type { HypervisorEnd, VmRun } from "./hypervisor.ts";
import type { Door } from "./migration.ts";

// Replication of a VM's volumes to another host, as docs/designs/0006-replication.md orders it. Neither end knows records:
// what is in sync, stale or promoted is decided by transactions (S17), which come before the calls that are named here.

export type ReplicaVolume = {
  readonly volume: VolumeId;
  readonly pool: Pool;
  readonly sizeMiB: number;
  readonly format: "raw" | "qcow2";
};

export type ReceiveRequest = {
  readonly vm: VmId;
  /** Of the run whose writes are received. */
  readonly epoch: Epoch;
  /** Whose certificate may knock. */
  readonly from: HostId;
  /** All volumes of the VM, in its order. */
  readonly volumes: readonly ReplicaVolume[];
  /** Addresses of this host, in the order in which the source is to try them. */
  readonly addresses: readonly string[];
  /** False only where the link is a direct cable. */
  readonly tls: boolean;
  /** In cycles: of the points that they leave only so many stay, the newest; not there: all. */
  readonly keepCycles?: number;
  /** Whose copies they are: noted in the pool, for people; refused where something else is there in its place. */
  readonly group?: { readonly group: string; readonly name: string };
};
export type ReceiveEnd =
  /**
   * `isAsLeft`: what lies here is what the run before this one left when it was handed over, and nobody has touched it (S15).
   * `lastCycle`: the last one that is sealed here and may still be started from; null: none (S21, S25).
   */
  | {
      readonly kind: "ready";
      readonly doors: readonly Door[];
      readonly isAsLeft: boolean;
      readonly lastCycle: SealedCycle | null;
    }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/** One volume's copy, as it lies here. */
export type ReplicaCopy = {
  readonly volume: VolumeId;
  /** Of the run whose writes it has, as it stands fsynced beside the image (S21). */
  readonly epoch: Epoch;
  /** Grows with each connection that wrote it. */
  readonly counter: number;
  /** The image that a QEMU opens. */
  readonly path: string;
  readonly format: "raw" | "qcow2";
};
export type CeaseEnd =
  | { readonly kind: "ceased"; readonly copies: readonly ReplicaCopy[] }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/** A moment of all of a VM's volumes, as they lay at the replica. It never changes (S20). */
export type ReplicaPoint = {
  /** Given by whoever took it: letters, digits and dashes. */
  readonly id: string;
  /** Milliseconds since 1970 of this host's clock, for people. */
  readonly at: number;
  /** What was written between this point and the next, or now: what it costs to keep it. */
  readonly sizeMiB: number;
  readonly origin: PointOrigin;
  readonly consistency: Consistency;
};
/** Whose they are, and by what its disks are found where nothing is received. */
export type PointsOf = {
  readonly vm: VmId;
  readonly volumes: readonly ReplicaVolume[];
  /** The VM was deleted: nothing of it will ever run again, and all that is left of its disks here goes with the last point. */
  readonly isGone?: true;
};
export type ExportEnd =
  | { readonly kind: "exported"; readonly images: readonly { readonly volume: VolumeId; readonly path: string }[] }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/** The host of the replica. After `unknown` the same call may be repeated. */
export interface ReplicaTarget {
  /**
   * Opens the copies for the writes of one run, and makes them where there are none. Exports of earlier epochs are removed
   * the hard way first (S19); an earlier epoch than the last is refused, and the same one where what lies here is not what
   * it left (S21). Repeating it is harmless.
   */
  receive(request: ReceiveRequest, done: (end: ReceiveEnd) => void): void;
  /**
   * `ceased`: no connection, earlier or later, can write these copies any more, and no process has them open. Before a
   * promotion, and before the replica is removed. Refused: nobody writes them either, but one of them is not what was
   * received here (S21): nothing may be started from them, as often as it is asked. Whether they are of the epoch and
   * connection that a record counts on is the caller's to compare: `identityTrouble` of the model.
   */
  cease(vm: VmId, done: (end: CeaseEnd) => void): void;
  /**
   * The state of all volumes at this moment, under the id. Only between the source's `bar` and `unbar`, while in sync: here
   * nobody knows of either (S20). Refused: there is no such point. Where the bar did not hold: `dropPoint`.
   */
  takePoint(vm: VmId, id: string, done: (end: HypervisorEnd) => void): void;
  /** Oldest first, but for what was set aside, which comes before; only whole ones. Also below the disks of a run of this host. */
  listPoints(of: PointsOf, done: (points: readonly ReplicaPoint[]) => void): void;
  /** Plain raw images in the folder, one for each volume; the point is only read. */
  exportPoint(of: PointsOf, id: string, folder: string, done: (end: ExportEnd) => void): void;
  /**
   * It is no point any more; its room is given back by and by. Also what is not there is `done`. Where nothing is received only
   * what was set aside can be dropped.
   */
  dropPoint(of: PointsOf, id: string, done: (end: HypervisorEnd) => void): void;
}

export type AttachRequest = {
  readonly to: HostId;
  /** Tried in this order; the first that answers is used, and the next where it falls silent. */
  readonly doors: readonly Door[];
  readonly tls: boolean;
  /** All volumes of the VM, in its order. */
  readonly volumes: readonly { readonly volume: VolumeId; readonly sizeMiB: number }[];
  /** For how long a write may wait, without a word of the replica, before `waits` is told. */
  readonly waitMs: number;
  /**
   * True: of a run that waits for its guest, which has executed nothing; the replica will have what the volumes hold when it
   * goes on (S15). `done` once all is ready for `begin`, and nothing is mirrored before that.
   */
  readonly isEqual?: boolean;
};

/**
 * Of a link with the host behind it: the best that was seen in the last window in which there was something to see. Null:
 * nothing was seen yet; a rate is seen only while more is to be sent than the link takes.
 */
export type LinkFigures = { readonly latencyMs: number | null; readonly mibPerSecond: number | null };

export type CopyProgress = {
  /** 0–100 over all volumes; 100 only once nothing is left. */
  readonly percent: number;
  readonly remainingMiB: number;
  readonly mibPerSecond: number;
};

/**
 * `copied`: as far as it looks, everything is there: ask `confirm` before it is recorded. `waits`: a write has waited for
 * the bound: record stale, then `goOnAlone`; or let the guest wait on. `holds`: the relay was started anew and holds, as at
 * every start: where the record says stale, `goOnAlone` again; until then, and until `resync`, it sends nothing to the replica where the
 * one before it was told to go on without. `ended`: QEMU itself has ended the mirror, and writes go on
 * without it: record stale at once, then `detach`. `link`: how the replica is reached, and what that link is capable of.
 */
export type ReplicaEvent =
  | { readonly kind: "progress"; readonly run: VmRun; readonly progress: CopyProgress }
  | { readonly kind: "copied"; readonly run: VmRun }
  | { readonly kind: "waits"; readonly run: VmRun; readonly detail: string }
  | { readonly kind: "holds"; readonly run: VmRun }
  | { readonly kind: "ended"; readonly run: VmRun }
  | {
      readonly kind: "link";
      readonly run: VmRun;
      readonly connected: boolean;
      readonly detail: string;
      readonly figures: LinkFigures;
    };

/** The host of the run. An `unknown` end may be repeated; the relay holds meanwhile (S16). */
export interface ReplicaSource {
  /**
   * Copies all of the run's volumes and mirrors each write from now on; `done` once that is under way, also where the
   * replica is not reached yet. Writes then wait for the replica. Refused: the run is untouched.
   */
  attach(run: VmRun, request: AttachRequest, done: (end: HypervisorEnd) => void): void;
  /**
   * After `attach` of a run that waited, once its guest has come in, before it goes on, and only where the replica is recorded as
   * stale from then on. `done`: everything that the guest will write is noted block by block, as after `goOnAlone`, and that is
   * all that `resync` will copy. Refused: nothing is mirrored, and no trace of it is left.
   */
  begin(run: VmRun, limitMs: number, done: (end: HypervisorEnd) => void): void;
  /**
   * Only after the stale record of all its volumes is committed. `done`: writes that wait are answered, and go on without
   * the replica; what it misses is noted block by block for as long as this QEMU lives (S16, S18).
   */
  goOnAlone(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /** `done`: the replica's host answers at one of the doors. It is told nothing, and nothing is copied. */
  reach(run: VmRun, doors: readonly Door[], done: (end: HypervisorEnd) => void): void;
  /**
   * Reaches the replica again and copies what it misses. `done`: it is reached, and from now on writes wait for it again;
   * until then they do not. It waits for as long as the replica is away; `goOnAlone` ends that as refused. So does
   * `replica-copy-other`, for good: what lies there is not what was copied to before, and only a new `attach` is of use (S21).
   */
  resync(run: VmRun, doors: readonly Door[], done: (end: HypervisorEnd) => void): void;
  /**
   * `done`: every volume is copied, and no write was answered without the replica since it was attached, or since the last
   * `resync`; as long as nobody calls `goOnAlone` this stays true. Only then in sync may be recorded (S17).
   */
  confirm(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /**
   * Between both, no write reaches the replica and all that was answered is there: the moment of a point (S20). The bar
   * lasts a second at most; `unbar` refused: it did not hold all the while, and the point is none.
   */
  bar(run: VmRun, done: (end: HypervisorEnd) => void): void;
  unbar(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /**
   * Only after stale, or that there is no replica, is committed. `done`: no trace of it is left at the run. With a QEMU that is
   * there and does not answer nothing is taken apart: `unknown`.
   */
  detach(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /** The runs that have a relay, also those that an earlier driver attached. */
  attached(): readonly VmRun[];
  watchReplicas(listener: (event: ReplicaEvent) => void): void;
}
