import { inKeyOrder } from "../base/order.ts";
import type { HostId } from "../model/ids.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import { mayGo, move, sayPaused } from "./decide-leaves.ts";
import { whyVmsLeave } from "./host-standing.ts";
import { mayMove } from "./move-attempts.ts";
import { backAt, noChange, planChange } from "./plans.ts";
import { transaction } from "./transactions.ts";
import type { VmRound } from "./vm-round.ts";

/**
 * VMs go back to the host that they left for its maintenance, once that is over and the host can run them (HM3); as the
 * policy says also where they would not go back by themselves.
 */
export function returnVms(round: VmRound): void {
  const { view } = round;
  for (const [id, plan] of inKeyOrder(view.plans)) {
    const to = plan.value.returnTo;
    const vm = view.vms.get(id)?.value;
    const owner = view.owners.get(id)?.value;
    if (to === null || vm === undefined || owner === undefined || round.isTaken(id)) continue;
    if (round.postpones()) return;
    if (whyVmsLeave(view, to) !== undefined) continue;
    // What becomes of its move says where it is, and is written down with the same record.
    if (view.moves.has(id)) continue;
    if ("returnTo" in backAt(view, vm, owner.host)) forgetReturn(round, vm);
    else if (owner.kind === "held" && vm.requested === "started") goBack(round, vm, owner, to);
  }
}

function goBack(round: VmRound, vm: Vm, owner: HeldOwner, to: HostId): void {
  // Only where the rules would have it now: what they send elsewhere keeps the host in mind, and does not travel twice.
  if (round.whereTo(vm, { preference: "stay", returnTo: to, live: true }) !== to) return;
  if (round.isCrowded(owner.host) || sayPaused(round, vm, owner)) return;
  if (!mayGo(round, vm, owner) || !mayMove(round, vm)) return;
  const reason = { rule: "HM3", code: "maintenance-over", params: { host: to } };
  move(round, { vm, owner, to, reason, alternatives: [] }, noChange);
}

function forgetReturn(round: VmRound, vm: Vm): void {
  const plan = planChange(round.view, vm.id, { returnTo: null });
  round.decide(vm.id, transaction([...plan.compares, ...round.also], plan.writes), []);
}
