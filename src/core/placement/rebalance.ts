import type { HostId, InstantMs } from "../../model/ids.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { limits } from "../limits.ts";
import { bestChange } from "./changes.ts";
import { fractionsOf, isUnmeasured } from "./figures.ts";
import { reason } from "./fitness.ts";
import { imbalanceOf, loadOf } from "./imbalance.ts";
import { bears, type PlacementRound } from "./round.ts";

/** What a manager remembers between two looks at the balance. Lost with it: the count begins anew. */
export type BalanceState = {
  /** Looks in a row at which the imbalance was above the threshold. */
  readonly above: number;
  readonly lookedAt: InstantMs | null;
  /** Looks in a row that waited for figures of what has just come up. */
  readonly waited: number;
};

export const noBalance: BalanceState = { above: 0, lookedAt: null, waited: 0 };

export type Rebalance = {
  readonly state: BalanceState;
  /** One bundle at most, all to one host, for one reason. */
  readonly moves: readonly { readonly vm: Vm; readonly to: HostId }[];
  readonly reason: Reason | undefined;
  /** When to look again although nothing changes; undefined: no need. */
  readonly wakeAt: number | undefined;
};

export type RebalanceOptions = {
  /** How long one look lasts: the balance is looked at once in this time; `holdMs` is counted in whole ones. */
  readonly roundMs: number;
  /** VMs that must stay for reasons of the caller's. */
  readonly mayMove: (vm: Vm) => boolean;
};

/**
 * PL5: looks for the one move that evens out the hosts, once their imbalance was above the threshold for as long as the
 * policy says. While anything moves, or is about to, the balance is not looked at and the count stands still; likewise, but no
 * longer than `limits.balanceWaits` looks, while what runs has not been measured where it runs: by the size that it may have
 * at most it would be sent on, and back again once it is known.
 */
export function decideRebalance(
  round: PlacementRound,
  state: BalanceState,
  { roundMs, mayMove }: RebalanceOptions,
): Rebalance {
  const { view, known, figures } = round;
  const { autoRebalance } = (view.policy?.value ?? defaultPolicy).scheduler;
  const nothing = { moves: [], reason: undefined };
  if (!autoRebalance.enabled || figures.mode === "basic" || view.disarm !== undefined)
    return { ...nothing, state: noBalance, wakeAt: undefined };
  if (state.lookedAt !== null && known.now - state.lookedAt < roundMs)
    return { ...nothing, state, wakeAt: state.lookedAt + roundMs };
  const lookedAt = known.now;
  const wakeAt = lookedAt + roundMs;
  if (isAnythingMoving(view, round)) return { ...nothing, state: { ...state, lookedAt }, wakeAt };
  const waited = figures.mode === "dynamic" && isAnythingUnmeasured(view) ? state.waited + 1 : 0;
  if (waited > 0 && waited <= limits.balanceWaits)
    return { ...nothing, state: { above: state.above, lookedAt, waited }, wakeAt };
  const there = round.slots.filter((slot) => slot.away === undefined);
  const before = imbalanceOf(there.map((slot) => loadOf(fractionsOf(bears(round, slot), slot.facts))));
  if (before <= autoRebalance.threshold)
    return { ...nothing, state: { above: 0, lookedAt, waited }, wakeAt: state.above > 0 ? wakeAt : undefined };
  // Each look lies a round behind the one before: so long at least it has lasted since the one that saw it first.
  const lastedMs = state.above * roundMs;
  if (lastedMs < autoRebalance.holdMs)
    return { ...nothing, state: { above: state.above + 1, lookedAt, waited }, wakeAt };
  const isWorth = (after: number): boolean => (before - after) / before >= autoRebalance.margin;
  const best = bestChange(round, there, autoRebalance.method, { mayMove, isWorth });
  const done = { state: { above: 0, lookedAt, waited }, wakeAt };
  if (best === undefined) return { ...nothing, ...done };
  const { bundle, target, after } = best;
  const params = { before: shown(before), after: shown(after), from: bundle.source.host, to: target.host };
  return {
    ...done,
    moves: bundle.vms.map((vm) => ({ vm, to: target.host })),
    reason: reason("PL5", "hosts-uneven", params),
  };
}

const shown = (imbalance: number): number => Math.round(imbalance * 100) / 100;

function isAnythingMoving(view: ClusterView, { aims }: PlacementRound): boolean {
  if (aims.size > 0) return true;
  for (const move of view.moves.values()) if (move.value.answer.kind === "open") return true;
  for (const order of view.orders.values()) if (order.value.order.kind !== "stop") return true;
  return false;
}

/** It runs by its own record, or is just coming up, and there is no figure of it yet where it is. */
function isAnythingUnmeasured(view: ClusterView): boolean {
  for (const [vm, { value: owner }] of view.owners) {
    if (owner.kind !== "held" || fenceOf(view, owner.host, owner.incarnation) !== undefined) continue;
    const status = view.statuses.get(vm)?.value;
    const isUp = status?.epoch !== owner.epoch || status.phase === "running" || status.phase === "starting";
    if (isUp && isUnmeasured(view, vm, owner.host)) return true;
  }
  return false;
}
