import type { Vm } from "../../model/records.ts";
import { type Bundle, bundlesOn, targetsFor } from "./bundles.ts";
import { fractionsOf, sumOf } from "./figures.ts";
import { floored, imbalanceOf, loadOf } from "./imbalance.ts";
import { doubtOf, type Reach, reachOf } from "./reach.ts";
import { bears, type PlacementRound, type Slot } from "./round.ts";
import { type Criteria, criteriaOf, type Fractions, spreadOf, stateWeights, topsis } from "./topsis.ts";

/** One bundle on another host, and what the two hosts bear then. */
type Change = {
  readonly bundle: Bundle;
  readonly target: Slot;
  /** The places of source and target among the hosts that are there. */
  readonly from: number;
  readonly to: number;
  readonly source: Fractions;
  readonly aim: Fractions;
  /** Nothing speaks against each of its VMs' getting there (HM2). */
  readonly reached: boolean;
};

export type BestChange = { readonly bundle: Bundle; readonly target: Slot; readonly after: number };

/** In a cluster of more hosts than this only the fullest are emptied and the emptiest filled. */
const hostsAllMax = 32;
const hostsEachMax = 16;

/** Whose wishes a change has to meet. */
export type Worth = {
  readonly mayMove: (vm: Vm) => boolean;
  /** Of the imbalance that it leaves. */
  readonly isWorth: (after: number) => boolean;
};

/**
 * The change that leaves the hosts `there` most even; ties by leader, source and target. One to a host that a guest would hardly
 * get to only where no other is worth it (HM2). Undefined: none is.
 */
export function bestChange(
  round: PlacementRound,
  there: readonly Slot[],
  method: "bruteforce" | "topsis",
  { mayMove, isWorth }: Worth,
): BestChange | undefined {
  const now = there.map((slot) => fractionsOf(bears(round, slot), slot.facts));
  const changes = changesOf(round, there, now, mayMove);
  const loads = now.map(loadOf);
  for (const some of [changes.filter(({ reached }) => reached), changes]) {
    const best = method === "topsis" ? byTopsis(some, now) : byImbalance(some, loads);
    const after = best === undefined ? undefined : imbalanceOf(loadsAfter(loads, best));
    if (best !== undefined && after !== undefined && isWorth(after))
      return { bundle: best.bundle, target: best.target, after };
    // The same would be found again.
    if (some.length === changes.length) break;
  }
  return undefined;
}

function changesOf(
  round: PlacementRound,
  there: readonly Slot[],
  now: readonly Fractions[],
  mayMove: (vm: Vm) => boolean,
): Change[] {
  const { sources, targets } = looked(there, now);
  const at = new Map(there.map((slot, i) => [slot, i]));
  const changes: Change[] = [];
  for (const bundle of bundlesOn(round, sources, mayMove)) {
    const { use } = bundle;
    const from = at.get(bundle.source) ?? 0;
    const reaches = bundle.vms.map((vm) => reachOfRunning(round, vm));
    const source = fractionsOf(sumOf(bears(round, bundle.source), use, -1), bundle.source.facts);
    for (const target of targetsFor(round, bundle, targets)) {
      const aim = fractionsOf(sumOf(bears(round, target), use, 1), target.facts);
      const reached = reaches.every((reach) => doubtOf(reach, target) === 0);
      changes.push({ bundle, target, from, to: at.get(target) ?? 0, source, aim, reached });
    }
  }
  return changes;
}

function reachOfRunning({ view, known }: PlacementRound, vm: Vm): Reach | undefined {
  const owner = view.owners.get(vm.id)?.value;
  return owner?.kind === "held" ? reachOf(view, vm, owner, known.unreached) : undefined;
}

function looked(
  there: readonly Slot[],
  now: readonly Fractions[],
): { readonly sources: ReadonlySet<Slot>; readonly targets: readonly Slot[] } {
  if (there.length <= hostsAllMax) return { sources: new Set(there), targets: there };
  const byLoad = there
    .map((slot, i) => ({ slot, load: loadOf(now[i] ?? { cpu: 0, memory: 0 }) }))
    .sort((a, b) => b.load - a.load || a.slot.order - b.slot.order)
    .map(({ slot }) => slot);
  const emptiest = byLoad.slice(-hostsEachMax).sort((a, b) => a.order - b.order);
  return { sources: new Set(byLoad.slice(0, hostsEachMax)), targets: emptiest };
}

/** The first of those with the least imbalance, to 15 decimals. */
function byImbalance(changes: readonly Change[], loads: readonly number[]): Change | undefined {
  // Sums alone tell it to about nine digits: few are left to be worked out in full.
  const sum = loads.reduce((total, load) => total + load, 0);
  const squares = loads.reduce((total, load) => total + load * load, 0);
  const quick = changes.map(({ from, to, source, aim }) => {
    const [a, b, x, y] = [loads[from] ?? 0, loads[to] ?? 0, loadOf(source), loadOf(aim)];
    const total = sum - a - b + x + y;
    return total <= 0 ? 0 : (squares - a * a - b * b + x * x + y * y) / (total * total);
  });
  const least = quick.reduce((found, value) => Math.min(found, value), Number.POSITIVE_INFINITY);
  let best: Change | undefined;
  let bestAfter = Number.POSITIVE_INFINITY;
  for (const [i, change] of changes.entries()) {
    if ((quick[i] ?? 0) > least * (1 + 1e-9)) continue;
    const after = floored(imbalanceOf(loadsAfter(loads, change)));
    if (after >= bestAfter) continue;
    best = change;
    bestAfter = after;
  }
  return best;
}

function loadsAfter(loads: readonly number[], { from, to, source, aim }: Change): number[] {
  const after = [...loads];
  after[from] = loadOf(source);
  after[to] = loadOf(aim);
  return after;
}

/** The first of those whose resulting states score best by the criteria of a placement (PL4). */
function byTopsis(changes: readonly Change[], now: readonly Fractions[]): Change | undefined {
  const states = changes.map(({ from, to, source, aim }): Criteria => {
    const after = [...now];
    after[from] = source;
    after[to] = aim;
    return criteriaOf(spreadOf(after));
  });
  let best: Change | undefined;
  let bestScore = -1;
  for (const [i, score] of topsis(states, stateWeights).entries()) {
    const rounded = floored(score);
    if (rounded <= bestScore) continue;
    best = changes[i];
    bestScore = rounded;
  }
  return best;
}
