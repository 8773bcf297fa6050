import type { Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { reason } from "./fitness.ts";
import type { PlacementRound, Slot } from "./round.ts";

/** How the hosts compare for one VM: the lowest cost wins, ties by the order of ids (PL4). */
export type Scores = {
  readonly cost: (slot: Slot) => number;
  /** Why `slot` lost to `best`. */
  readonly whyLost: (slot: Slot, best: Slot) => Reason;
};

const byNumber: Scores = {
  cost: (slot) => slot.load.vms,
  whyLost: (slot, best) => {
    const code = slot.load.vms > best.load.vms ? "host-has-more-vms" : "host-later-in-order";
    return reason("PL4", code, { host: slot.host, vms: slot.load.vms, best: best.load.vms });
  },
};

export function scoresOf(_round: PlacementRound, _vm: Vm): Scores {
  return byNumber;
}

/** The slot of the lowest cost; of several, the first in order. */
export function cheapest(slots: readonly Slot[], scores: Scores): Slot | undefined {
  let best: Slot | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const slot of slots) {
    const cost = scores.cost(slot);
    if (best !== undefined && (cost > bestCost || (cost === bestCost && slot.order > best.order))) continue;
    best = slot;
    bestCost = cost;
  }
  return best;
}

export function byCost(slots: readonly Slot[], scores: Scores): Slot[] {
  return [...slots].sort((a, b) => scores.cost(a) - scores.cost(b) || a.order - b.order);
}
