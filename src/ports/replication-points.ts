import type { HostId, WallMs } from "../model/ids.ts";
import type { Consistency, PointOrigin, WhyCrash } from "../model/point-records.ts";
import type { Params } from "../model/reason.ts";
import type { VmRun } from "./hypervisor.ts";
import type { Door } from "./migration.ts";

export type PointRequest = {
  readonly to: HostId;
  /** Tried in this order. */
  readonly doors: readonly Door[];
  readonly tls: boolean;
  /** Never used for another point of this VM. */
  readonly id: string;
  /** `resync` and branches: only while nothing is sent to the copies; all else: only while they are in sync. */
  readonly origin: Exclude<PointOrigin, "cycle">;
  /** `application`: the guest is asked to stand still; where it does not, the point is as after a power cut. */
  readonly consistency: Consistency;
};

/**
 * `taken`: it is a point, at the clock of its host; `stoodMs`: for how long writes waited for it; `whyCrash`: see `Point`. Refused: there
 * is no such point. `unknown`: there may be one; its host says.
 */
export type PointEnd =
  | {
      readonly kind: "taken";
      readonly at: WallMs;
      readonly consistency: Consistency;
      readonly stoodMs: number;
      readonly whyCrash?: WhyCrash | undefined;
    }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

/**
 * The host of the run has a point taken where its copies are (S20): writes are held, the copies are laid down, writes go on,
 * and only once it is known that they were held all the while does it become a point.
 */
export interface PointSource {
  takePoint(run: VmRun, request: PointRequest, done: (end: PointEnd) => void): void;
}
