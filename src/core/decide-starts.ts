import type { HostId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove, VmOrder } from "../model/move-records.ts";
import type { Point } from "../model/point-records.ts";
import type { Alternative, Reason } from "../model/reason.ts";
import type { EventDraft, Owner, Vm } from "../model/records.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { acceptedLossOf } from "./accepted-loss.ts";
import { fixFor } from "./admission-fix.ts";
import { event } from "./decision.ts";
import { givesItsVmsUp, isAwaited, whyVmsLeave } from "./host-standing.ts";
import { limits } from "./limits.ts";
import { mannerOf } from "./move-manner.ts";
import { aimOf, beginMove } from "./moves.ts";
import { type Places, placeTransaction } from "./ownership.ts";
import type { Wish } from "./placement/asked.ts";
import { whyUnread } from "./placement/fitness.ts";
import { openRound } from "./placement/round.ts";
import type { Placement } from "./placement/select.ts";
import { backAt, noChange, type PlanChange, planChange } from "./plans.ts";
import { goBackTo } from "./point-return.ts";
import { hostLostAt, type PolicyLoss, policyLoss } from "./replication-cycles.ts";
import { type CopiesChange, promoteCopies } from "./replication-promotion.ts";
import { startsUnsaid } from "./replication-usable.ts";
import { remove, transaction, unchanged } from "./transactions.ts";
import { vmError } from "./vm-error.ts";
import type { VmRound } from "./vm-round.ts";
import { liesOn } from "./volume-place.ts";

type Released = Extract<Owner, { kind: "released" }>;

/** A VM that is wanted and that nobody may run: started where it is, or given another place first (HM1, S14). */
export function startFree(round: VmRound, vm: Vm, owner: Released | undefined): void {
  const { view } = round;
  const error = vmError(view, vm.id);
  if (error !== undefined) {
    round.say(vm.id, event(error.code, { vm: vm.id }, { ...error.params, vm: vm.name }));
    return;
  }
  const aim = aimOf(view, vm.id);
  if (aim === undefined && view.disarm !== undefined) return;
  if (vm.lock !== null) {
    round.say(vm.id, event("vm-locked", { vm: vm.id }, { vm: vm.name, lock: vm.lock.kind }));
    return;
  }
  if (aim === undefined && owner !== undefined && isAwaited(view, owner.host, round.known)) {
    round.wake(round.known.now + limits.agentSilentMs);
    const params = { vm: vm.name, host: owner.host };
    round.say(vm.id, event("vm-waits-for-host", { vm: vm.id, host: owner.host }, params));
    return;
  }
  if (aim === undefined && round.waitsItsTurn(vm)) return;
  const givenUp = aim === undefined && owner !== undefined && givesItsVmsUp(view, owner.host);
  const isThere = aim !== undefined && round.whyUnfit(vm, aim.to) === undefined;
  const selection = givenUp ? ({ preference: "best" } as const) : selectionFor(round, owner, vm);
  const placement: Placement = isThere
    ? { kind: "place", on: aim.to, alternatives: [] }
    : (placeOfPoint(round, vm) ?? round.select(vm, selection));
  const reason = isThere ? aim.reason : givenUp ? whyGivenUp(owner) : whyStarts(vm, owner, aim, placement);
  const unread = aim === undefined && owner !== undefined ? whyUnread(view, owner.host) : undefined;
  if (placement.kind === "nowhere") sayNowhere(round, vm, reason, placement.alternatives);
  // What a newer version had the host announce may be that its VMs wait for it; no move of theirs could be written.
  else if (unread !== undefined) sayNowhere(round, vm, unread, placement.alternatives);
  else if (
    aim === undefined &&
    !givenUp &&
    owner !== undefined &&
    owner.host !== placement.on &&
    liesOn(view, vm) === undefined
  )
    moveFirst(round, vm, owner, placement, selection);
  else placeOn(round, vm, placement, reason, { owner });
}

function whyGivenUp({ host }: Released): Reason {
  return { rule: "HM4", code: "host-gave-it-up", params: { host } };
}

/** Who was to go to a host that cannot take it does not start for the sake of that move. */
function whyStarts(vm: Vm, owner: Released | undefined, aim: VmMove | undefined, placement: Placement): Reason {
  const params = { vm: vm.name };
  if (aim === undefined || placement.kind === "nowhere") return { rule: "S14", code: "vm-wanted-and-free", params };
  const code = placement.on === owner?.host ? "starts-where-it-was" : "starts-elsewhere-than-meant";
  return { rule: "S14", code, params: { ...params, host: placement.on, to: aim.to } };
}

function selectionFor(round: VmRound, owner: Released | undefined, vm: Vm): Wish {
  const returnTo = round.view.plans.get(vm.id)?.value.returnTo ?? undefined;
  if (owner !== undefined && owner.failedHosts.length > 0) return { preference: "try-next", returnTo };
  return { preference: round.policy.scheduler.rebalanceOnStart ? "best" : "stay", returnTo };
}

type Found = Extract<Placement, { kind: "place" }>;

/** It lies elsewhere than it is to run: its place changes by a move of its own, so that both are told apart. */
function moveFirst(round: VmRound, vm: Vm, owner: Released, placement: Found, { preference }: Wish): void {
  const { view, also } = round;
  const { on: to, alternatives } = placement;
  const leaves = whyVmsLeave(view, owner.host);
  const reason = leaves ?? whyNotThere(owner, preference);
  const begun = beginMove(view, vm, owner, { to, reason }, round.known.wall);
  const returnTo = view.plans.get(vm.id)?.value.returnTo ?? owner.host;
  const plan = leaves === undefined ? noChange : planChange(view, vm.id, { returnTo });
  const write = transaction([...begun.compares, ...plan.compares, ...also], [...begun.writes, ...plan.writes]);
  const params = { vm: vm.name, from: owner.host, to, how: mannerOf(begun.move) };
  round.assign(vm, to);
  const told = event("vm-move-begun", { vm: vm.id, host: to }, params, reason, alternatives);
  round.decide(vm.id, write, [told], { vm: vm.id, on: to });
}

function whyNotThere(owner: Released, preference: Wish["preference"]): Reason {
  const params = { host: owner.host };
  if (preference === "try-next") return { rule: "PL1", code: "next-after-failure", params };
  if (preference === "best") return { rule: "PL1", code: "best-at-start", params };
  return { rule: "PL1", code: "host-unfit-to-start", params };
}

/** Said once, with the one change that would help, where there is one; it is tried again whenever something changes. */
export function sayNowhere(round: VmRound, vm: Vm, reason: Reason, alternatives: readonly Alternative[]): void {
  const { view, known } = round;
  const told = event("vm-nowhere", { vm: vm.id }, { vm: vm.name }, reason, alternatives);
  round.say(vm.id, told, () => {
    const fix = fixFor(() => openRound(view, known), [vm], vm);
    return fix === null
      ? told
      : { ...told, alternatives: [...told.alternatives, { option: "with a change", why: fix }] };
  });
}

/** The one transaction by which a VM gets a host (S14). */
export function placeOn(round: VmRound, vm: Vm, placement: Found, reason: Reason, { owner, ...places }: Placed): void {
  const { view, also } = round;
  const { on, alternatives } = placement;
  const { proof } = places;
  const epoch = (owner?.epoch ?? 0) + 1;
  const params = { vm: vm.name, host: on, epoch, ...(proof === undefined ? {} : { from: proof.host }) };
  const type = proof === undefined ? "vm-placed" : "vm-recovered";
  const told = [event(type, { vm: vm.id, host: on }, params, reason, alternatives)];
  if (places.unlocked === true && vm.lock !== null)
    told.push(event("vm-lock-removed", { vm: vm.id }, { vm: vm.name, lock: vm.lock.kind }));
  const copies = promotion(round, vm, owner, on, "goes-back");
  if (copies.kind === "refused") {
    sayNowhere(round, vm, { rule: "S17", code: copies.code, params: copies.params }, alternatives);
    return;
  }
  const loss = acceptedLossOf(view, vm.id);
  const ordered = loss?.to === on ? view.orders.get(vm.id) : undefined;
  const point = loss?.to === on ? loss.accepted.point?.value : undefined;
  if (copies !== noCopies)
    told.push(point === undefined ? promoted(view, vm, on, ordered !== undefined) : goesBack(vm, point));
  const order = ordered === undefined ? noChange : orderServed(vm, ordered);
  const back = point === undefined ? undefined : goBackTo(view, vm.id, point, round.known.wall);
  const place = placeTransaction(view, vm.id, on, { ...places, back }, also);
  const ended = moveEnded(view, vm, on);
  const aim = ended === noChange ? undefined : view.moves.get(vm.id)?.value;
  // Whoever wanted it there hears that it went elsewhere.
  if (aim !== undefined && aim.to !== on)
    told.push(event("vm-move-dropped", { vm: vm.id }, { vm: vm.name, from: aim.from, to: aim.to }));
  const write = transaction(
    [...place.compares, ...copies.compares, ...ended.compares, ...order.compares],
    [...place.writes, ...copies.writes, ...ended.writes, ...order.writes],
  );
  round.assign(vm, on);
  round.decide(vm.id, write, told, { vm: vm.id, on });
}

function orderServed({ id }: Vm, order: Stored<VmOrder>): PlanChange {
  return { compares: [unchanged(keys.vmOrder(id), order)], writes: [remove(keys.vmOrder(id))] };
}

/** What is lost is stated in the transaction that accepts it (S18, S25). */
function promoted(view: ClusterView, vm: Vm, on: HostId, isOrdered: boolean): EventDraft {
  const params = { vm: vm.name, host: on };
  if (isOrdered) return event("replica-promoted-with-loss", { vm: vm.id, host: on }, params);
  const loss = allowedLoss(view, vm, on);
  const type = startsUnsaid(view, vm.id, on) ? "replica-promoted-unsaid" : "replica-promoted";
  if (loss === undefined) return event(type, { vm: vm.id, host: on }, params);
  const { seconds, limitS } = loss;
  const reason = { rule: "S25", code: "loss-within-policy", params: { host: on, seconds, limitS: limitS ?? 0 } };
  return event("replica-promoted-behind", { vm: vm.id, host: on }, { ...params, seconds, limitS: limitS ?? 0 }, reason);
}

/** All that was written after the point is what was accepted as lost (S18, S20). */
export function goesBack({ id, name }: Vm, { host, id: point, at }: Point): EventDraft {
  return event("vm-set-back", { vm: id, host }, { vm: name, host, point, at });
}

/** S20: whoever chose a point there starts from nothing else, and so also where that host is in quarantine. Undefined: nobody did. */
export function placeOfPoint(round: VmRound, vm: Vm): Placement | undefined {
  const ordered = acceptedLossOf(round.view, vm.id);
  if (ordered?.accepted.point === undefined) return undefined;
  const why = round.whyUnfit(vm, ordered.to, { orNowhere: true });
  if (why === undefined) return { kind: "place", on: ordered.to, alternatives: [] };
  return { kind: "nowhere", alternatives: [{ option: ordered.to, why }] };
}

const noCopies: CopiesChange = { kind: "part", compares: [], writes: [] };

/**
 * S17: a VM whose disks lie with its host alone goes to another one with the copies there, by the same transaction. Those in
 * cycles only where its group allows what is lost by it (S25).
 */
export function promotion(
  round: VmRound,
  vm: Vm,
  owner: Owner | undefined,
  on: HostId,
  way: "as-it-lies" | "goes-back" = "as-it-lies",
) {
  const { view, known } = round;
  if (owner === undefined || liesOn(view, vm) === undefined) return noCopies;
  const ordered = acceptedLossOf(view, vm.id)?.accepted;
  const isBack = way === "goes-back" && ordered?.point?.value.host === on;
  if (owner.host === on && !isBack) return noCopies;
  const isForThis = ordered?.point === undefined || isBack;
  const accepted = (isForThis ? ordered : undefined) ?? allowedLoss(view, vm, on)?.accepted;
  return promoteCopies(view, vm.id, on, { at: known.wall, accepted });
}

/** Undefined: nothing may be lost by going on there. */
function allowedLoss(view: ClusterView, vm: Vm, on: HostId): PolicyLoss | undefined {
  const lostAt = hostLostAt(view, vm.id);
  const loss = lostAt === undefined ? undefined : policyLoss(view, vm.id, lostAt);
  return loss?.host === on && loss.accepted !== undefined ? loss : undefined;
}

/**
 * The move of a run ends with the record of the next one: nobody sees a VM placed and still moving (S15). One that went
 * before a start is ended a look later, since it may be of this very moment.
 */
function moveEnded(view: ClusterView, vm: Vm, on: HostId): PlanChange {
  const move = view.moves.get(vm.id);
  if (move === undefined || move.value.epoch === null) return noChange;
  const key = keys.vmMove(vm.id);
  const plan = planChange(view, vm.id, { failedMoves: null, ...backAt(view, vm, on) });
  return { compares: [unchanged(key, move), ...plan.compares], writes: [remove(key), ...plan.writes] };
}

type Placed = Places & { readonly owner: Owner | undefined };
