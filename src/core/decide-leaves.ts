import type { HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { whyNotLive } from "./cpu.ts";
import { event, type ManagerKnowledge } from "./decision.ts";
import { pausesOf, whyPaused } from "./guest-paused.ts";
import { givesItsVmsUp, isAwaited } from "./host-standing.ts";
import { limits } from "./limits.ts";
import { mayMove } from "./move-attempts.ts";
import { mannerOf } from "./move-manner.ts";
import { beginMove, stageOf } from "./moves.ts";
import { type PlanChange, planChange } from "./plans.ts";
import { transaction } from "./transactions.ts";
import type { VmRound } from "./vm-round.ts";
import { heldOn, hostsToLeave } from "./waits-to-leave.ts";

/** VMs that run on hosts which are to be empty go elsewhere, and it is remembered where they come from (HM3, HM4). */
export function leaveHosts(round: VmRound): void {
  const { view } = round;
  const left = hostsToLeave(view);
  if (left.size === 0) return;
  for (const { vm, owner } of heldOn(view, left)) {
    const why = left.get(owner.host);
    if (round.postpones()) return;
    if (why === undefined || round.isTaken(vm.id) || vm.requested !== "started") continue;
    if (canMove(round, vm, owner)) {
      if (mayMove(round, vm)) leave(round, vm, owner, why);
    } else sayWhatHolds(round, vm, owner, why);
  }
}

/** What keeps a host waiting is told, where a person can do something about it. */
function sayWhatHolds(round: VmRound, vm: Vm, owner: HeldOwner, why: Reason): void {
  const { view, known } = round;
  // What becomes of a move that was begun before is told first: a lock calls it off.
  if (view.moves.has(vm.id)) return;
  if (!isUp(view, known, vm.id, owner)) round.skip(vm.id);
  else if (vm.lock !== null) {
    const params = { vm: vm.name, host: owner.host, lock: vm.lock.kind };
    round.say(vm.id, event("vm-locked-cannot-leave", { vm: vm.id, host: owner.host }, params, why));
  }
}

/** Its holder can be asked to let it go: it is up, no other move is under way, and nobody works on it. */
export function canMove({ view, known }: VmRound, vm: Vm, owner: HeldOwner): boolean {
  if (vm.lock !== null || !isUp(view, known, vm.id, owner)) return false;
  const move = view.moves.get(vm.id)?.value;
  return move === undefined || stageOf(view, move) === "over";
}

/** As `canMove`, where nobody ordered it away: a guest that stands still would be stopped for it, and stays. */
export function mayGo(round: VmRound, vm: Vm, owner: HeldOwner): boolean {
  return canMove(round, vm, owner) && pausesOf(round.view, vm.id) === undefined;
}

/** The same of one that is wanted elsewhere: why it stays is said. */
export function sayPaused(round: VmRound, vm: Vm, owner: HeldOwner): boolean {
  const why = whyPaused(round.view, vm);
  if (why === undefined || !canMove(round, vm, owner)) return false;
  const params = { vm: vm.name, host: owner.host };
  round.say(vm.id, event("vm-paused-not-moved", { vm: vm.id, host: owner.host }, params, why));
  return true;
}

/**
 * It is up, and its holder lives as far as anybody knows: a silent one may be lost, and its VM recovered rather than moved;
 * one that is just starting comes up first.
 */
export function isUp(view: ClusterView, known: ManagerKnowledge, vm: VmId, owner: HeldOwner): boolean {
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined) return false;
  // Unread is not absent: it may have announced what its VMs wait for, and no move of theirs could be written.
  if (view.unreadable.size > 0 && view.unreadable.has(keys.hostMode(owner.host))) return false;
  // Its host stops it anyway, and says what then becomes of it (HM4).
  if (isAwaited(view, owner.host) || givesItsVmsUp(view, owner.host)) return false;
  const status = view.statuses.get(vm)?.value;
  if (status?.epoch !== owner.epoch || (status.phase !== "running" && status.phase !== "paused")) return false;
  const contact = known.contacts.get(owner.host);
  return contact?.incarnation === owner.incarnation && known.now - contact.heardAt <= limits.aliveMs;
}

function leave(round: VmRound, vm: Vm, owner: HeldOwner, reason: Reason): void {
  const placement = round.select(vm, { preference: "stay", without: owner.host, live: true });
  if (placement.kind === "nowhere") {
    const params = { vm: vm.name, host: owner.host };
    const told = event("vm-cannot-leave", { vm: vm.id, host: owner.host }, params, reason, placement.alternatives);
    round.say(vm.id, told);
    return;
  }
  // The first host that it left for somebody's sake is where it belongs.
  const returnTo = round.view.plans.get(vm.id)?.value.returnTo ?? owner.host;
  const plan = planChange(round.view, vm.id, { returnTo });
  move(round, { vm, owner, to: placement.on, reason, alternatives: placement.alternatives }, plan);
}

export type Moving = {
  readonly vm: Vm;
  readonly owner: HeldOwner;
  readonly to: HostId;
  readonly reason: Reason;
  readonly alternatives: Parameters<typeof event>[4];
};

/** Writes the move of a VM that runs; `plan`: what is remembered with it. */
export function move(round: VmRound, { vm, owner, to, reason, alternatives }: Moving, plan: PlanChange): void {
  // Where its guest cannot go on as it is, it is stopped and started (PL8).
  const kind = whyNotLive(round.view, vm, owner.host, to) === undefined ? undefined : "relocate";
  const begun = beginMove(round.view, vm, owner, { kind, to, reason }, round.known.wall);
  const paused = whyPaused(round.view, vm);
  const write = transaction([...begun.compares, ...plan.compares, ...round.also], [...begun.writes, ...plan.writes]);
  const told = event(
    "vm-move-begun",
    { vm: vm.id, host: to },
    { vm: vm.name, from: owner.host, to, how: mannerOf(begun.move) },
    reason,
    paused === undefined ? alternatives : [{ option: "live", why: paused }, ...(alternatives ?? [])],
  );
  round.assign(vm, to);
  round.leaves(owner.host);
  // A guest that moves live is placed by this very decision: its room is taken from now on (PL1, S15).
  round.decide(vm.id, write, [told], { vm: vm.id, on: to });
}
