import { mayGo, move } from "./decide-leaves.ts";
import { limits } from "./limits.ts";
import { isTried } from "./move-attempts.ts";
import type { BalanceState } from "./placement/rebalance.ts";
import { noBalance } from "./placement/rebalance.ts";
import { noChange } from "./plans.ts";
import { isCopied } from "./replication-duty.ts";
import { mayBeSwitchedOver } from "./switchover.ts";
import type { VmRound } from "./vm-round.ts";

/** PL5: one move of what runs, where the hosts have been uneven for as long as the policy says. */
export function balanceHosts(round: VmRound): BalanceState {
  const { autoRebalance, mode } = round.policy.scheduler;
  // What this would look at costs a look at every VM.
  if (!autoRebalance.enabled || mode === "basic" || round.view.disarm !== undefined) return noBalance;
  const { lookedAt } = round.known.balance;
  if (lookedAt !== null && round.known.now - lookedAt < limits.balanceRoundMs) {
    round.wake(lookedAt + limits.balanceRoundMs);
    return round.known.balance;
  }
  const { state, moves, reason, wakeAt } = round.rebalance(round.known.balance, {
    roundMs: limits.balanceRoundMs,
    mayMove: (vm) => {
      const owner = round.view.owners.get(vm.id)?.value;
      // One that would have to be stopped for it stays.
      if (isCopied(round.view, vm.id) && !mayBeSwitchedOver(round.view, vm)) return false;
      return owner?.kind === "held" && !round.isTaken(vm.id) && mayGo(round, vm, owner) && isTried(round, vm);
    },
  });
  if (wakeAt !== undefined) round.wake(wakeAt);
  for (const { vm, to } of moves) {
    const owner = round.view.owners.get(vm.id)?.value;
    if (owner?.kind !== "held" || reason === undefined) continue;
    move(round, { vm, owner, to, reason, alternatives: [] }, noChange);
  }
  return state;
}
