import { inKeyOrder } from "../base/order.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { Alternative } from "../model/reason.ts";
import type { EventDraft, Owner, Vm } from "../model/records.ts";
import { event } from "./decision.ts";
import { isAwaited, whyVmsLeave } from "./host-standing.ts";
import { changePlaceTransaction } from "./ownership.ts";
import type { Placement } from "./placement/select.ts";
import { vmError } from "./vm-error.ts";
import type { VmRound } from "./vm-round.ts";
import { liesOn } from "./volume-place.ts";

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
    if (vm !== undefined && owner.kind === "released") found.set(id, { vm, owner });
  }
  for (const [id, { vm, owner }] of inKeyOrder(found)) {
    if (round.postpones()) return;
    const placement = round.isTaken(id) ? undefined : placeAway(round, vm, owner.host);
    if (placement === undefined) continue;
    const { on, alternatives } = placement;
    const told = placeChanged(vm, owner.host, on, alternatives);
    round.decide(id, changePlaceTransaction(view, id, on, round.also), [told]);
  }
}

/** Where a VM that is stopped lies from now on, away from the lost host `from`; undefined: where it lay. */
export function placeAway(round: VmRound, vm: Vm, from: HostId): Found | undefined {
  const { view, known } = round;
  if (vm.requested !== "stopped" || !known.lost.has(from) || view.disarm !== undefined) return undefined;
  // Where VMs wait for a host, or come back to it, those that are stopped do as well.
  if (isAwaited(view, from) || whyVmsLeave(view, from) !== undefined) return undefined;
  // Its disks lie there: whoever wants it gives it a place (S17).
  if (liesOn(view, vm) !== undefined) return undefined;
  if (vm.lock !== null || vmError(view, vm.id) !== undefined || view.moves.has(vm.id)) return undefined;
  const placement = round.select(vm, { preference: "best", without: from });
  if (placement.kind === "nowhere") return undefined;
  round.assign(vm, placement.on);
  return placement;
}

type Found = Extract<Placement, { kind: "place" }>;

export function placeChanged(vm: Vm, from: HostId, on: HostId, alternatives: readonly Alternative[]): EventDraft {
  const reason = { rule: "PL7", code: "place-is-lost", params: { host: from } };
  return event("vm-place-changed", { vm: vm.id, host: on }, { vm: vm.name, host: on }, reason, alternatives);
}
