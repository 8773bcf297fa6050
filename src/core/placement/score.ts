import type { Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { figureOf, fractionsOf, sumOf } from "./figures.ts";
import { reason } from "./fitness.ts";
import { bears, numberOn, type PlacementRound, type Slot } from "./round.ts";
import { seatsOf } from "./seats.ts";
import { criteriaOf, spreadOf, stateWeights, topsis, withMore } from "./topsis.ts";

/** How the hosts compare for one VM: the lowest cost wins, ties by the order of ids (PL4). */
export type Scores = {
  readonly cost: (slot: Slot) => number;
  /** Why `slot` lost to `best`. */
  readonly whyLost: (slot: Slot, best: Slot) => Reason;
};

export function scoresOf(round: PlacementRound, vm: Vm): Scores {
  return round.figures.mode === "basic" ? byNumber : byTopsis(round, vm);
}

const byNumber: Scores = {
  cost: numberOn,
  whyLost: (slot, best) => {
    const code = numberOn(slot) > numberOn(best) ? "host-has-more-vms" : "host-later-in-order";
    return reason("PL4", code, { host: slot.host, vms: numberOn(slot), best: numberOn(best) });
  },
};

/** Equal states must not differ by how their sums were rounded: the order of ids decides then. */
const rounded = (score: number): number => Math.round(score * 1e12) / 1e12;

/** Ranks what the cluster would look like with the VM on each host that is there, the rules' other hosts included. */
function byTopsis(round: PlacementRound, vm: Vm): Scores {
  const { view, figures } = round;
  const more = figureOf(view, vm.id, figures.mode);
  const seats = seatsOf(view, vm.id, round.aims.get(vm.id));
  const there = round.slots.filter((slot) => slot.away === undefined);
  const before = there.map((slot) => fractionsOf(bears(round, slot), slot.facts));
  const spread = spreadOf(before);
  const choices = there.map((slot, i) => {
    const was = before[i] ?? { cpu: 0, memory: 0 };
    const is = seats.includes(slot.host) ? was : fractionsOf(sumOf(bears(round, slot), more, 1), slot.facts);
    return criteriaOf(withMore(spread, was, is));
  });
  const scores = new Map(topsis(choices, stateWeights).map((score, i) => [there[i], rounded(score)]));
  const scoreOf = (slot: Slot): number => scores.get(slot) ?? 0;
  return {
    cost: (slot) => -scoreOf(slot),
    whyLost: (slot, best) => {
      const code = scoreOf(slot) < scoreOf(best) ? "host-scores-less" : "host-scores-alike";
      const params = { score: shown(scoreOf(slot)), best: shown(scoreOf(best)), mode: figures.mode };
      return reason("PL4", code, { host: slot.host, ...params });
    },
  };
}

const shown = (score: number): number => Math.round(score * 1000) / 1000;

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
