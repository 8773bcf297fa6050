import type { Mutant } from "./mutant.ts";
import { agentMutants } from "./planted/agent.ts";
import { balancingMutants } from "./planted/balancing.ts";
import { copyMutants } from "./planted/copies.ts";
import { cycleMutants } from "./planted/cycles.ts";
import { fencingMutants } from "./planted/fencing.ts";
import { guardMutants } from "./planted/guard.ts";
import { hangingMutants } from "./planted/hanging.ts";
import { heartMutants } from "./planted/heart.ts";
import { leavingMutants } from "./planted/leaving.ts";
import { localMoveMutants } from "./planted/local-moves.ts";
import { managerMutants } from "./planted/manager.ts";
import { managingMutants } from "./planted/managing.ts";
import { movingMutants } from "./planted/moving.ts";
import { ownerMutants } from "./planted/owners.ts";
import { placementMutants } from "./planted/placement.ts";
import { pointMutants } from "./planted/points.ts";
import { removalMutants } from "./planted/removal.ts";
import { ruleMutants } from "./planted/rules.ts";
import { switchingMutants } from "./planted/switching.ts";
import { twoHostMutants } from "./planted/two-hosts.ts";

/** Every bug that the simulator has to find. */
export const planted: readonly Mutant[] = [
  ...heartMutants,
  ...guardMutants,
  ...managerMutants,
  ...fencingMutants,
  ...ownerMutants,
  ...agentMutants,
  ...managingMutants,
  ...leavingMutants,
  ...movingMutants,
  ...localMoveMutants,
  ...copyMutants,
  ...cycleMutants,
  ...pointMutants,
  ...switchingMutants,
  ...hangingMutants,
  ...placementMutants,
  ...balancingMutants,
  ...ruleMutants,
  ...removalMutants,
  ...twoHostMutants,
];
