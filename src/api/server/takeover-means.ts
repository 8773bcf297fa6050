import type { Fencing } from "../../ports/fencing.ts";
import type { StoreForce } from "../../ports/store-force.ts";

/** What a host needs to go on alone. */
export type TakeoverMeans = {
  readonly force: StoreForce;
  readonly fencing: Fencing;
  /** D + M, after which the VMs of whoever is not off in truth stand still; 0 where no deadline holds (S23, S24). */
  readonly waitMs: number;
};
