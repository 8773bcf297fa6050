import { type HostId, later, type VmId } from "../model/ids.ts";
import { parseKey } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { balanceHosts } from "./decide-balance.ts";
import { leaveHosts } from "./decide-leaves.ts";
import { leaveLostHosts, placeAway, placeChanged } from "./decide-lost-places.ts";
import { continueMoves } from "./decide-moves.ts";
import { returnVms } from "./decide-returns.ts";
import { followRules } from "./decide-rule-moves.ts";
import { placeOfPoint, placeOn, sayNowhere, startFree } from "./decide-starts.ts";
import { carryOutOrders } from "./decide-vm-orders.ts";
import { type Decided, event, type ManagerKnowledge } from "./decision.ts";
import { isDisarmUnread } from "./disarmed.ts";
import { type FenceProof, poolsOf, proveGone } from "./fencing.ts";
import { limits } from "./limits.ts";
import { isBetweenHosts, sourcesNotQuit } from "./migration.ts";
import { isToLeave, stageOf } from "./moves.ts";
import { forgetFailuresTransaction, releaseLostTransaction } from "./ownership.ts";
import { type BalanceState, noBalance } from "./placement/rebalance.ts";
import type { Placement } from "./placement/select.ts";
import { planChange } from "./plans.ts";
import { hostLostAt } from "./replication-cycles.ts";
import { byStartOrder } from "./start-order.ts";
import { transaction } from "./transactions.ts";
import { lostVms, vmIndex } from "./vm-index.ts";
import { VmRound } from "./vm-round.ts";
import { runsAsOwned } from "./vm-state.ts";
import { liesOn } from "./volume-place.ts";

/**
 * Starts, recoveries, moves and releases: one transaction per VM (S14). `busy` subjects wait for their last transaction.
 * Each concern in turn, what a lost host held before all others; what an earlier one decided about a VM stands.
 */
export function decideVms(
  view: ClusterView,
  known: ManagerKnowledge,
  also: readonly Compare[],
  busy: ReadonlySet<string>,
): Decided & { readonly balance: BalanceState } {
  // Every transaction compares it.
  if (isDisarmUnread(view)) return { decisions: [], notices: [], wakeAt: undefined, partial: true, balance: noBalance };
  const round = new VmRound(view, known, also, busy);
  decideEach(round, lostVms(view));
  if (view.orders.size > 0) carryOutOrders(round);
  decideEach(round, vmIndex(view).unsettled);
  decideEach(round, sourcesNotQuit(view).keys());
  const isWhole = !isUnread(view);
  if (view.disarm === undefined) {
    leaveHosts(round);
    leaveLostHosts(round);
    if (view.plans.size > 0 && isWhole) returnVms(round);
    if (view.rules.size > 0 && isWhole) followRules(round);
  }
  if (view.moves.size > 0) continueMoves(round);
  const balance = isWhole ? balanceHosts(round) : noBalance;
  return { ...round.decided(), balance };
}

/** A rule or the policy is in words of a newer version: what runs is not moved for what is known of them alone. */
function isUnread({ unreadable }: ClusterView): boolean {
  if (unreadable.size === 0) return false;
  return [...unreadable.keys()].some((key) => ["rule", "policy"].includes(parseKey(key).kind));
}

/** VMs that are not as they should be, in the order of their starts. Those that are as they should be cost nothing. */
function decideEach(round: VmRound, ids: Iterable<VmId>): void {
  const vms: Vm[] = [];
  for (const id of ids) {
    const vm = round.view.vms.get(id)?.value;
    if (vm !== undefined && vm.requested !== "ignored") vms.push(vm);
  }
  for (const vm of vms.sort(byStartOrder)) {
    if (round.isTaken(vm.id)) continue;
    if (round.postpones()) return;
    decideVm(round, vm);
  }
}

function decideVm(round: VmRound, vm: Vm): void {
  const { view } = round;
  const owner = view.owners.get(vm.id)?.value;
  const fence = owner?.kind === "held" ? fenceOf(view, owner.host, owner.incarnation)?.value : undefined;
  // Another copy may be there: it starts nowhere, whoever is its owner (S15).
  if (isBetweenHosts(view, vm.id)) sayBetweenHosts(round, vm);
  else if (owner?.kind === "held" && fence !== undefined) {
    // What was being recovered goes on; hosts that come back meanwhile end their own earlier lives, which starts nothing.
    if (view.disarm === undefined || fence.cause !== "self") recover(round, vm, owner);
  } else if (vm.requested === "started" && owner?.kind !== "held") startFree(round, vm, owner);
  else if (vm.requested !== "started" && view.disarm === undefined) forget(round, vm);
}

/** A held VM concerns the manager only where its holder is gone for good. */
function recover(round: VmRound, vm: Vm, owner: HeldOwner): void {
  const { view, also } = round;
  const { host, incarnation } = owner;
  const pools = poolsOf(vm, view);
  const proof = pools === undefined ? undefined : proveGone(view, host, incarnation, pools);
  if (proof === undefined) {
    sayUnproven(round, vm, owner);
    return;
  }
  // It lies where its disks are; whoever wants it gives it a place (S17).
  if (vm.requested !== "started" && liesOn(view, vm) !== undefined) return;
  if (vm.requested !== "started") {
    const away = placeAway(round, vm, host);
    const told = [event("vm-released", { vm: vm.id, host }, { vm: vm.name, host })];
    if (away !== undefined) told.push(placeChanged(vm, host, away.on, away.alternatives));
    round.decide(vm.id, releaseLostTransaction(view, vm.id, proof, also, away?.on), told);
    return;
  }
  if (round.waitsItsTurn(vm)) return;
  const reason: Reason = {
    rule: "S10",
    code: "holder-proven-gone",
    params: { vm: vm.name, host, incarnation, proof: proof.by },
  };
  const returnTo = view.plans.get(vm.id)?.value.returnTo ?? undefined;
  const lives = (view.hosts.get(host)?.value.incarnation ?? 0) > incarnation;
  // Lost in the midst of a move, it goes where it was going.
  const aim = view.moves.get(vm.id)?.value;
  const goesOn = aim !== undefined && stageOf(view, aim) !== "over" && round.whyUnfit(vm, aim.to) === undefined;
  const placement: Placement = goesOn
    ? { kind: "place", on: aim.to, alternatives: [] }
    : (placeOfPoint(round, vm) ??
      round.select(vm, {
        ...{ preference: "best", without: lives ? undefined : host, returnTo },
        lostAt: hostLostAt(view, vm.id),
      }));
  if (placement.kind === "nowhere") sayNowhere(round, vm, reason, placement.alternatives);
  else if (vm.lock !== null && !lostWithItsHost.has(vm.lock.kind)) giveUpLocked(round, vm, proof, placement.on);
  else placeOn(round, vm, placement, reason, { owner, proof, ranWell: runsAsOwned(view, vm.id), unlocked: true });
}

type LockKind = NonNullable<Vm["lock"]>["kind"];

/** Locks of work that ended with its host. Any other means that the VM is not whole yet: a person has to look. */
const lostWithItsHost: ReadonlySet<LockKind> = new Set([
  ...(["backup", "mounted", "migrate", "clone", "rollback"] as const),
  ...(["snapshot", "snapshot-delete", "suspending", "suspended"] as const),
]);

function giveUpLocked(round: VmRound, vm: Vm, proof: FenceProof, host: HostId): void {
  const { view, known } = round;
  const params = { vm: vm.name, lock: vm.lock?.kind ?? "" };
  const plan = planChange(view, vm.id, { error: { code: "vm-lost-while-locked", params, at: known.wall } });
  const release = releaseLostTransaction(view, vm.id, proof, round.also, host);
  const write = transaction([...release.compares, ...plan.compares], [...release.writes, ...plan.writes]);
  round.decide(vm.id, write, [event("vm-lost-while-locked", { vm: vm.id }, params)]);
}

/** A VM in error that is set to `disabled`, or one that failed somewhere and is not wanted: what failed is forgotten. */
function forget(round: VmRound, vm: Vm): void {
  const write = forgetFailuresTransaction(round.view, vm, round.also);
  if (write === undefined) return;
  round.decide(vm.id, write, [event("vm-failures-forgotten", { vm: vm.id }, { vm: vm.name })]);
}

/** The source of its move has not quit: where that keeps the VM from what is wanted of it, it is said (S15). */
function sayBetweenHosts(round: VmRound, vm: Vm): void {
  const { view } = round;
  const move = view.moves.get(vm.id)?.value;
  if (move === undefined || vm.requested !== "started") return;
  if (runsAsOwned(view, vm.id) && !isToLeave(view, vm.id)) return;
  const { from: host, incarnation } = move;
  const pools = poolsOf(vm, view);
  if (pools !== undefined && proveGone(view, host, incarnation, pools) !== undefined) return;
  const why = fenceOf(view, host, incarnation) === undefined ? whySourceSaysNothing(round, move) : "proof-missing";
  if (why === undefined) return;
  const device = view.devices.has(host);
  const params = { vm: vm.name, host, incarnation, device };
  const told = event("vm-waits-for-source", { vm: vm.id, host }, params, { rule: "S15", code: why, params });
  round.say(vm.id, told);
}

/** One that is at work says it within this time, or what keeps it. */
function whySourceSaysNothing(round: VmRound, { from }: VmMove): string | undefined {
  const { view, known } = round;
  const contact = known.contacts.get(from);
  if (contact === undefined) return undefined;
  const silentAt = later(contact.heardAt, limits.moveSilentMs);
  if (known.now >= silentAt) return "source-silent";
  round.wake(silentAt);
  const agentAgeMs = heartbeatOf(view, from, contact.incarnation)?.value.agentAgeMs ?? 0;
  return agentAgeMs > limits.moveSilentMs ? "source-agent-silent" : undefined;
}

/** S10: a missing proof is shown by name; the VM is not started. */
function sayUnproven(round: VmRound, vm: Vm, owner: Pick<HeldOwner, "host" | "incarnation">): void {
  const device = round.view.devices.has(owner.host);
  const params = { vm: vm.name, host: owner.host, incarnation: owner.incarnation, device };
  const reason: Reason = { rule: "S10", code: "proof-missing", params };
  round.say(vm.id, event("vm-waits-for-proof", { vm: vm.id, host: owner.host }, params, reason));
}
