import type { PointProof, ProofCheck } from "../model/point-proof.ts";
import type { Params } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";

export type ProofRequest = {
  /** As it is wanted now: its disks are those of the point. */
  readonly vm: Vm;
  readonly point: string;
  /** All have to be passed. None: that its guest executes for as long as it takes to see it. */
  readonly checks: readonly ProofCheck[];
  /** For the whole of it. */
  readonly limitMs: number;
};
export type ProofEnd =
  | { readonly kind: "ended"; readonly proof: PointProof }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/**
 * A test failover: a guest is booted from a recovery point, beside the one that runs, and checked. It reaches no network and
 * nobody but the check reaches it; the point stays as it is, and nothing of the test is left when it has ended.
 */
export interface PointProver {
  /** `ended`, passed or not. Refused: nothing was booted. One of a VM at a time. */
  prove(request: ProofRequest, done: (end: ProofEnd) => void): void;
}
