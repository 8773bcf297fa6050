import { fencedSayNothing } from "./after-the-fence.ts";
import { arrivalsAreTold } from "./arrivals.ts";
import { evensOut } from "./balance.ts";
import { certain } from "./certainty.ts";
import { copiesCatchUp, copiesHaveOneWriter, countedCopiesStay, nothingLost, staleBeforeAlone } from "./copies.ts";
import { copiesAreTriedSeldom } from "./copy-tries.ts";
import { cyclesKeepTheirWord } from "./cycles.ts";
import { disksGoAlong } from "./disks-go-along.ts";
import { fences, grace, incarnations, pastLives, terms } from "./fences.ts";
import { pointsAreStartedFrom } from "./going-back.ts";
import { handsChangeOnce } from "./handing-over.ts";
import { calm, history, promises, reasons, standbys } from "./judging.ts";
import type { CheckerKind } from "./kind.ts";
import { bounds } from "./limits.ts";
import {
  disarmed,
  leaves,
  maintenanceIsKept,
  movesBackOff,
  ordersEnd,
  quarantinedForLosses,
  waits,
} from "./managing.ts";
import { nowhereIsTrue } from "./nowhere.ts";
import { oneWriter } from "./one-writer.ts";
import { orders } from "./orders.ts";
import { claims, leaders, owners, placements, starts } from "./ownership.ts";
import { handsStay, lastIsKept, pointsAreThere, pointsHoldMoments, pointsNeverChange } from "./points.ts";
import { processors } from "./processors.ts";
import { removedStayOut } from "./removal.ts";
import { comesToRest } from "./rest.ts";
import { bestClass, failedLast, forbiddenHosts, quarantine, soundRules } from "./rules.ts";
import { rulesHold } from "./rules-at-rest.ts";
import { deadlines, fencedStandsStill } from "./standing-still.ts";
import { takeoversAreWhole } from "./takeovers.ts";
import { waitsAreTold } from "./told.ts";

/** Everything that watches a world; `checkers/steps.ts` looks at the decisions besides. */
export const allCheckers: readonly CheckerKind[] = [
  oneWriter,
  nothingLost,
  copiesHaveOneWriter,
  staleBeforeAlone,
  countedCopiesStay,
  copiesCatchUp,
  copiesAreTriedSeldom,
  cyclesKeepTheirWord,
  pointsHoldMoments,
  pointsNeverChange,
  lastIsKept,
  pointsAreThere,
  handsStay,
  pointsAreStartedFrom,
  handsChangeOnce,
  arrivalsAreTold,
  disksGoAlong,
  starts,
  owners,
  leaders,
  claims,
  placements,
  incarnations,
  pastLives,
  terms,
  fences,
  fencedSayNothing,
  grace,
  deadlines,
  fencedStandsStill,
  orders,
  standbys,
  calm,
  reasons,
  promises,
  history,
  bounds,
  ordersEnd,
  movesBackOff,
  maintenanceIsKept,
  soundRules,
  forbiddenHosts,
  bestClass,
  failedLast,
  leaves,
  waits,
  disarmed,
  quarantine,
  quarantinedForLosses,
  processors,
  evensOut,
  rulesHold,
  nowhereIsTrue,
  removedStayOut,
  takeoversAreWhole,
  comesToRest,
  waitsAreTold,
  certain,
];
