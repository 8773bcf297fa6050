import type { InstantMs, IntentId, Revision, VmId, WallMs } from "../model/ids.ts";
import type { PointProof } from "../model/point-proof.ts";
import type { Point } from "../model/point-records.ts";
import type { Intent } from "../model/records.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { ExportEnd, PointsOf, ReplicaPoint } from "../ports/replication.ts";
import type { PointEnd, PointRequest } from "../ports/replication-points.ts";
import type { ProofEnd, ProofRequest } from "../ports/replication-proof.ts";

/** What an agent knows of recovery points that is not on record. */
export type PointNotes = {
  /** What lies here, by VM, as an answer to what was asked at that revision of the view. */
  readonly found: ReadonlyMap<VmId, { readonly points: readonly ReplicaPoint[]; readonly asked: Revision }>;
  /** Asked again then. */
  readonly askAt: ReadonlyMap<VmId, InstantMs>;
  /** When that was asked; none: the answer to what is under way is of no use any more. */
  readonly asked: ReadonlyMap<VmId, Revision>;
  /** Taken by this agent's word, until they are on record. */
  readonly taken: ReadonlyMap<VmId, Point>;
  /** No point is tried before this, by VM: not of the last moment either, which its copy waits for. */
  readonly retries: ReadonlyMap<VmId, InstantMs>;
  /** No test failover by schedule is tried before this, by VM. */
  readonly testsFrom: ReadonlyMap<VmId, InstantMs>;
  /** No further point by schedule before this, whatever two clocks make of it, by VM. */
  readonly dueAt: ReadonlyMap<VmId, InstantMs>;
  /** The copies of which the last moment is kept, as `lastToKeep` names them, by VM (S20). */
  readonly kept: ReadonlyMap<VmId, string>;
  /** Why it could not be kept, until that is told. */
  readonly unkept: ReadonlyMap<VmId, string>;
  /** What becomes of wishes, until that is on record. */
  readonly answers: ReadonlyMap<IntentId, Intent["answer"]>;
  /** Of test failovers that have ended, until they are on record. */
  readonly proofs: ReadonlyMap<VmId, PointProof>;
};

export function noPoints(): PointNotes {
  return {
    found: new Map(),
    askAt: new Map(),
    asked: new Map(),
    taken: new Map(),
    retries: new Map(),
    testsFrom: new Map(),
    dueAt: new Map(),
    kept: new Map(),
    unkept: new Map(),
    answers: new Map(),
    proofs: new Map(),
  };
}

/** A step about recovery points (ports/replication-points.ts, replication.ts, replication-proof.ts). */
export type PointOp = "take-point" | "list-points" | "drop-point" | "export-point" | "prove-point";

/** Of such a step: the VM, and what it is for. */
export type PointPart = {
  readonly vm: VmId;
  readonly point: string;
  /** Of `prove-point`: the moment of the point, which may be gone by the end of its test. */
  readonly at?: WallMs;
  /** Of `take-point`: what is recorded of it once it is there. */
  readonly draft?: Point;
  /** Of `take-point` before a resync: see `PointNotes.kept`. */
  readonly keeps?: string;
};

export type PointEffect =
  | { readonly kind: "take-point"; readonly op: number; readonly run: VmRun; readonly request: PointRequest }
  | { readonly kind: "list-points"; readonly op: number; readonly of: PointsOf }
  | { readonly kind: "drop-point"; readonly op: number; readonly of: PointsOf; readonly point: string }
  | {
      readonly kind: "export-point";
      readonly op: number;
      readonly of: PointsOf;
      readonly point: string;
      readonly folder: string;
    }
  | { readonly kind: "prove-point"; readonly op: number; readonly request: ProofRequest };

export type PointNews =
  | { readonly kind: "point-taken"; readonly op: number; readonly end: PointEnd }
  | { readonly kind: "points-listed"; readonly op: number; readonly points: readonly ReplicaPoint[] }
  | { readonly kind: "point-exported"; readonly op: number; readonly end: ExportEnd }
  | { readonly kind: "point-proven"; readonly op: number; readonly end: ProofEnd };
