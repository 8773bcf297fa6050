import { must } from "../base/assert.ts";
import { inKeyOrder } from "../base/order.ts";
import type { HostId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove, VmOrder } from "../model/move-records.ts";
import type { Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import type { Stored } from "../model/view.ts";
import { acceptedLossOf } from "./accepted-loss.ts";
import { whyNotLiveTo } from "./cpu.ts";
import { isUp } from "./decide-leaves.ts";
import { goesBack } from "./decide-starts.ts";
import { event } from "./decision.ts";
import { pausesOf, whyPaused } from "./guest-paused.ts";
import { mannerOf } from "./move-manner.ts";
import { endAsDropped } from "./move-task.ts";
import { beginMove, stageOf } from "./moves.ts";
import { changePlaceTransaction } from "./ownership.ts";
import { mannerOfOrder } from "./placement/select.ts";
import { planChange } from "./plans.ts";
import { goBackTo, isToGoBack } from "./point-return.ts";
import { promoteCopies } from "./replication-promotion.ts";
import { put, remove, transaction, unchanged } from "./transactions.ts";
import { vmError } from "./vm-error.ts";
import type { VmRound } from "./vm-round.ts";

type MoveOrder = Extract<VmOrder["order"], { kind: "migrate" | "relocate" }>;

/**
 * What people asked for: carried out, kept while the VM is in the midst of something else, or dropped with the cause
 * (HM1). No order ends in silence.
 */
export function carryOutOrders(round: VmRound): void {
  const { view } = round;
  for (const [id, stored] of inKeyOrder(view.orders)) {
    if (round.isTaken(id)) continue;
    if (round.postpones()) return;
    const vm = view.vms.get(id)?.value;
    const { order } = stored.value;
    if (vm === undefined) end(round, stored);
    else if (order.kind === "stop") endStop(round, stored, vm);
    else if (order.kind === "promote" && !isGoingBack(round, stored, vm)) endPromotion(round, stored, vm, order.to);
    else if (order.kind === "promote") continue;
    else decideMove(round, stored, order, vm);
  }
}

/** The agent reads its grace while it stops the VM; then it has been served. */
function endStop(round: VmRound, stored: Stored<VmOrder>, vm: Vm): void {
  const held = round.view.owners.get(vm.id)?.value.kind === "held";
  if (!held || vm.requested === "started" || vm.requested === "ignored") end(round, stored);
}

/** It is carried out by whoever recovers the VM; void once it would not lose what was shown any more (S18). */
function endPromotion(round: VmRound, stored: Stored<VmOrder>, vm: Vm, to: HostId): void {
  const { view, known } = round;
  const owner = view.owners.get(vm.id)?.value;
  // Its host came back with it: nothing need be lost any more.
  const isBack = owner?.kind === "held" && isUp(view, known, vm.id, owner) && !isToGoBack(view, vm.id);
  const loss = acceptedLossOf(view, vm.id);
  // Out of an error there is one way alone (HM2), and it starts from what lies there.
  const isStuck = loss?.accepted.point !== undefined && vmError(view, vm.id) !== undefined;
  if (loss !== undefined && !isBack && !isStuck) return;
  const params = { vm: vm.name, host: to };
  const why = isStuck
    ? { rule: "HM2", code: "vm-is-in-error", params }
    : { rule: "S18", code: "failover-overtaken", params };
  const told = event("vm-order-dropped", { vm: vm.id, host: to }, { vm: vm.name, to, how: "failover" }, why);
  const key = keys.vmOrder(vm.id);
  round.decide(vm.id, transaction([unchanged(key, stored), ...round.also], [remove(key)]), [told]);
}

/**
 * S20: what nobody wants to run goes back at once, so that whoever starts it next starts it from the point; what runs on a lost host as it
 * is recovered. True: nothing else is to be done about the order now.
 */
function isGoingBack(round: VmRound, stored: Stored<VmOrder>, vm: Vm): boolean {
  const { view, known, also } = round;
  const { accepted, to } = acceptedLossOf(view, vm.id) ?? {};
  const point = accepted?.point?.value;
  if (to === undefined || point === undefined || view.owners.get(vm.id)?.value.kind !== "released") return false;
  if (vmError(view, vm.id) !== undefined) return false;
  // Whoever starts it does so from there, in one step.
  if (vm.requested === "started" || vm.requested === "ignored") return true;
  if (view.disarm !== undefined || vm.lock !== null || view.moves.has(vm.id)) return true;
  const copies = promoteCopies(view, vm.id, to, { accepted, at: known.wall });
  if (copies.kind === "refused") return false;
  const back = goBackTo(view, vm.id, point, known.wall);
  const place = changePlaceTransaction(view, vm.id, to, also, back);
  const key = keys.vmOrder(vm.id);
  const compares = [...place.compares, ...copies.compares, unchanged(key, stored)];
  round.decide(vm.id, transaction(compares, [...place.writes, ...copies.writes, remove(key)]), [goesBack(vm, point)]);
  return true;
}

function end(round: VmRound, stored: Stored<VmOrder>): void {
  const key = keys.vmOrder(stored.value.vm);
  round.decide(stored.value.vm, transaction([unchanged(key, stored), ...round.also], [remove(key)]), []);
}

function decideMove(round: VmRound, stored: Stored<VmOrder>, order: MoveOrder, vm: Vm): void {
  const why = whyNotMoved(round, vm, order);
  if (why !== undefined) drop(round, stored, order, vm, why);
  else if (isThere(round, vm, order)) served(round, stored, order, vm);
  else if (standsStill(round, vm, order.kind)) carryOut(round, stored, order, vm);
}

/** Only now: what waits costs no look at every host's room in each round, and its host may be fit again by then. */
function carryOut(round: VmRound, stored: Stored<VmOrder>, order: MoveOrder, vm: Vm): void {
  const paused = order.kind === "migrate" ? whyPaused(round.view, vm) : undefined;
  const why = paused ?? round.whyUnfit(vm, order.to, mannerOfOrder(order.kind));
  if (why !== undefined) drop(round, stored, order, vm, why);
  else accept(round, stored, order, vm);
}

/**
 * Only a VM that is at rest somewhere is moved: not one that is being recovered, moved or stopped; nor one that is to go on as
 * it is, while its agent is still looking whether it executes.
 */
function standsStill({ view, known }: VmRound, vm: Vm, kind: VmMove["kind"]): boolean {
  if (kind === "migrate" && pausesOf(view, vm.id)?.length === 0) return false;
  const owner = view.owners.get(vm.id)?.value;
  const move = view.moves.get(vm.id)?.value;
  if (move !== undefined && stageOf(view, move) !== "over") return false;
  if (owner === undefined || owner.kind === "released") return true;
  return vm.requested === "started" && isUp(view, known, vm.id, owner);
}

/** Why nobody moves it now, wherever to. */
function whyNotMoved(round: VmRound, vm: Vm, { to }: MoveOrder): Reason | undefined {
  const { view } = round;
  const reason = (code: string, params: Reason["params"] = {}): Reason => ({
    rule: "HM1",
    code,
    params: { vm: vm.name, host: to, ...params },
  });
  if (view.disarm !== undefined) return { rule: "HM5", code: "disarmed", params: { mode: view.disarm.value.mode } };
  if (vm.requested === "ignored") return reason("vm-is-ignored");
  if (vmError(view, vm.id) !== undefined) return reason("vm-is-in-error");
  if (vm.lock !== null) return reason("vm-is-locked", { lock: vm.lock.kind });
  return undefined;
}

function isThere({ view }: VmRound, vm: Vm, { to }: MoveOrder): boolean {
  const move = view.moves.get(vm.id)?.value;
  const isUnderWay = move !== undefined && stageOf(view, move) !== "over";
  return view.owners.get(vm.id)?.value.host === to && !isUnderWay;
}

function drop(round: VmRound, stored: Stored<VmOrder>, { to, kind }: MoveOrder, vm: Vm, why: Reason): void {
  const key = keys.vmOrder(vm.id);
  const told = event("vm-order-dropped", { vm: vm.id, host: to }, { vm: vm.name, to, how: kind }, why);
  // A person decides anew: what an earlier move failed of says nothing about this order.
  const plan = planChange(round.view, vm.id, { failedMoves: null });
  const compares = [unchanged(key, stored), ...plan.compares, ...round.also];
  const writes: Write[] = [remove(key), ...plan.writes];
  for (const [id, task] of inKeyOrder(round.view.tasks)) {
    const { vm: of, to: aim, end: over, kind: wish } = task.value;
    if (wish !== "move-vm" || of !== vm.id || aim !== to || over !== null) continue;
    compares.push(unchanged(keys.task(id), task));
    writes.push(put(keys.task(id), endAsDropped(task.value, vm, why, round.known.wall)));
  }
  round.decide(vm.id, transaction(compares, writes), [told]);
}

/** It came while an earlier one of the kind was being carried out. */
function served(round: VmRound, stored: Stored<VmOrder>, { to }: MoveOrder, vm: Vm): void {
  const key = keys.vmOrder(vm.id);
  const told = event("vm-order-served", { vm: vm.id, host: to }, { vm: vm.name, to });
  round.decide(vm.id, transaction([unchanged(key, stored), ...round.also], [remove(key)]), [told]);
}

/** The VMs that are kept together with it go the same way, in the same transaction. */
function accept(round: VmRound, stored: Stored<VmOrder>, order: MoveOrder, vm: Vm): void {
  const { view, also } = round;
  const { actor } = stored.value;
  if (!view.owners.has(vm.id)) {
    givePlace(round, stored, vm, order.to);
    return;
  }
  const team = together(round, vm, order);
  const why = whyNotAlong(round, vm, team, order);
  if (why !== undefined) {
    drop(round, stored, order, vm, why);
    return;
  }
  const key = keys.vmOrder(vm.id);
  const compares: Compare[] = [unchanged(key, stored), ...also];
  const writes: Write[] = [remove(key)];
  const events = [];
  const ordered = { rule: "HM1", code: "ordered", params: { by: actor.name } };
  const along = { rule: "HM1", code: "goes-along", params: { with: vm.name } };
  for (const one of [vm, ...team]) {
    const reason = one === vm ? ordered : along;
    const owner = must(view.owners.get(one.id), () => `Cannot move ${one.id}: it has no place`).value;
    const begun = beginMove(view, one, owner, { kind: order.kind, to: order.to, reason }, round.known.wall);
    // Where a person wants it counts from now on, not where it came from or what failed before.
    const plan = planChange(view, one.id, { returnTo: null, failedMoves: null });
    compares.push(...begun.compares, ...plan.compares);
    writes.push(...begun.writes, ...plan.writes);
    const params = { vm: one.name, from: begun.move.from, to: order.to, how: mannerOf(begun.move) };
    events.push(event("vm-move-begun", { vm: one.id, host: order.to }, params, reason));
    round.assign(one, order.to);
    round.take(one.id);
  }
  const places = [vm, ...team].map(({ id }) => ({ vm: id, on: order.to }));
  round.decide(vm.id, transaction(compares, writes), events, ...places);
}

/**
 * One transaction takes them all or none: more do not fit into it, at up to six comparisons for each, and none is stopped for
 * a host that cannot run it.
 */
const alongMax = 19;

function whyNotAlong(round: VmRound, vm: Vm, team: readonly Vm[], { kind, to }: MoveOrder): Reason | undefined {
  if (team.length > alongMax) {
    const params = { vm: vm.name, count: team.length, most: alongMax };
    return { rule: "HM1", code: "team-too-large-to-move", params };
  }
  // Nobody who asks for a live move wants a guest to be stopped for it, nor to go on where its processor lacks something (PL8).
  const live = kind === "migrate" ? [vm, ...team] : [];
  for (const one of live) {
    const why = whyPaused(round.view, one) ?? whyNotLiveTo(round.view, one, to);
    if (why !== undefined) return why;
  }
  return round.whyUnfitForAll([vm, ...team], to, { live: true, ...mannerOfOrder(kind) });
}

function together(round: VmRound, vm: Vm, { kind, to }: MoveOrder): Vm[] {
  const { view } = round;
  return [...round.rules.together(vm.id)].sort().flatMap((id) => {
    const other = view.vms.get(id)?.value;
    const owner = view.owners.get(id)?.value;
    if (other === undefined || owner === undefined || round.isTaken(id) || owner.host === to) return [];
    if (other.requested === "ignored" || other.lock !== null || vmError(view, id) !== undefined) return [];
    return standsStill(round, other, kind) ? [other] : [];
  });
}

/** A VM that never ran has no place to leave: the one it was ordered to is where it starts. */
function givePlace(round: VmRound, stored: Stored<VmOrder>, vm: Vm, to: HostId): void {
  const key = keys.vmOrder(vm.id);
  const { compares, writes } = changePlaceTransaction(round.view, vm.id, to, round.also);
  const reason = { rule: "HM1", code: "ordered", params: { by: stored.value.actor.name } };
  const told = event("vm-place-changed", { vm: vm.id, host: to }, { vm: vm.name, host: to }, reason);
  round.decide(vm.id, transaction([...compares, unchanged(key, stored)], [...writes, remove(key)]), [told]);
}
