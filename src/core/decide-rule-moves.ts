import { compareText } from "../base/order.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { mayGo, move, sayPaused } from "./decide-leaves.ts";
import { givesItsVmsUp, isAwaited, whyVmsLeave } from "./host-standing.ts";
import { mayMove } from "./move-attempts.ts";
import type { Placement } from "./placement/select.ts";
import { noChange } from "./plans.ts";
import { restlessVms } from "./restless.ts";
import { unmovedVms } from "./unmoved.ts";
import type { VmRound } from "./vm-round.ts";
import { liesOn } from "./volume-place.ts";

/**
 * VMs that run where the rules would not have them go where they do: to a host of a better class, to what they belong
 * together with, away from what they are kept apart from (PL2). Without a rule nothing moves by itself.
 */
export function followRules(round: VmRound): void {
  const { view } = round;
  const restless = restlessVms(view);
  if (restless.size === 0) return;
  const unmoved = unmovedVms(view, round.standing());
  for (const id of [...restless].sort(compareText)) {
    // Whatever is decided in this round may change where the others belong.
    if (unmoved.has(id) && !round.hasPlaced()) continue;
    const vm = view.vms.get(id)?.value;
    const owner = view.owners.get(id)?.value;
    if (vm?.requested !== "started" || owner?.kind !== "held" || round.isTaken(id)) continue;
    if (round.postpones()) return;
    // What is about to go has its own way with its VMs (HM3, HM4).
    if (isGoing(view, owner.host)) continue;
    if (round.isCrowded(owner.host)) round.skip(id);
    else if (isToStay(round, vm, owner)) remember(round, unmoved, vm);
    else if (sayPaused(round, vm, owner)) continue;
    else if (!mayGo(round, vm, owner)) round.skip(id);
    else if (mayMove(round, vm)) follow(round, vm, owner);
  }
}

/**
 * Only what follows from the records: what is under way, or was decided in this round, may yet come otherwise. One whose disks lie
 * with its host goes elsewhere only while its guest runs, and as its copies are: that changes more often than it is looked at.
 */
function remember(round: VmRound, unmoved: Set<VmId>, vm: Vm): void {
  if (!round.hasPlaced() && liesOn(round.view, vm) === undefined) unmoved.add(vm.id);
}

function isToStay(round: VmRound, vm: Vm, owner: HeldOwner): boolean {
  const to = round.whereTo(vm, wishOf(round, vm.id));
  return to === undefined || to === owner.host;
}

function isGoing(view: ClusterView, host: HostId): boolean {
  return whyVmsLeave(view, host) !== undefined || givesItsVmsUp(view, host) || isAwaited(view, host);
}

function wishOf(round: VmRound, vm: VmId) {
  return { preference: "stay" as const, live: true, returnTo: round.view.plans.get(vm)?.value.returnTo ?? undefined };
}

function follow(round: VmRound, vm: Vm, owner: HeldOwner): void {
  const placement = round.select(vm, wishOf(round, vm.id));
  if (placement.kind === "nowhere") return;
  const { on: to, alternatives } = placement;
  move(round, { vm, owner, to, reason: whyNotHere(placement, owner), alternatives }, noChange);
}

/** What the selection had against the host on which it runs. */
function whyNotHere({ alternatives }: Placement, { host }: HeldOwner): Reason {
  const own = alternatives.find(({ option }) => option === host);
  return own?.why ?? { rule: "PL2", code: "host-not-best", params: { host } };
}
