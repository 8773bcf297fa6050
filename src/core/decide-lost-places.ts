import { inKeyOrder } from "../base/order.ts";
import type { VmId } from "../model/ids.ts";
import type { Owner, Vm } from "../model/records.ts";
import { event } from "./decision.ts";
import { isAwaited, whyVmsLeave } from "./host-standing.ts";
import { changePlaceTransaction } from "./ownership.ts";
import { vmError } from "./vm-error.ts";
import type { VmRound } from "./vm-round.ts";

/**
 * VMs that are stopped and lay on a host that is lost lie elsewhere from now on, so that a start finds them where they can
 * run (PL7). Nobody holds them: nothing is started, and nobody is fenced for it. One that is disabled is left alone.
 */
export function leaveLostHosts(round: VmRound): void {
  const { view, known } = round;
  if (known.lost.size === 0) return;
  const found = new Map<VmId, { readonly vm: Vm; readonly owner: Owner }>();
  for (const [id, { value: owner }] of view.owners) {
    const vm = known.lost.has(owner.host) ? view.vms.get(id)?.value : undefined;
    if (vm?.requested === "stopped" && owner.kind === "released") found.set(id, { vm, owner });
  }
  for (const [id, { vm, owner }] of inKeyOrder(found)) {
    const { host } = owner;
    // Where VMs wait for a host, or come back to it, those that are stopped do as well.
    if (round.isTaken(id) || isAwaited(view, host) || whyVmsLeave(view, host) !== undefined) continue;
    if (vm.lock !== null || vmError(view, id) !== undefined || view.moves.has(id)) continue;
    const placement = round.select(vm, { preference: "best", without: host });
    if (placement.kind === "nowhere") continue;
    const { on, alternatives } = placement;
    const reason = { rule: "PL7", code: "place-is-lost", params: { host } };
    const told = event("vm-place-changed", { vm: id, host: on }, { vm: vm.name, host: on }, reason, alternatives);
    round.assign(vm, on);
    round.decide(id, changePlaceTransaction(view, id, on, round.also), [told]);
  }
}
