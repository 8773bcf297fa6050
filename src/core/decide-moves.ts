import { inKeyOrder } from "../base/order.ts";
import { type HostId, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Params, Reason } from "../model/reason.ts";
import type { EventDraft, Vm } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../model/view.ts";
import { promotion } from "./decide-starts.ts";
import { event } from "./decision.ts";
import { poolsOf, proveGone } from "./fencing.ts";
import { limits } from "./limits.ts";
import { whyWithheld } from "./migration.ts";
import { failedTargetsWith, isCalledOff, isOutdated } from "./move-failures.ts";
import { stageOf } from "./moves.ts";
import { changePlaceTransaction } from "./ownership.ts";
import { backAt, noChange, planChange } from "./plans.ts";
import { wholeCopies } from "./replication-usable.ts";
import { remove, transaction, unchanged } from "./transactions.ts";
import { vmError } from "./vm-error.ts";
import type { VmRound } from "./vm-round.ts";
import { liesOn } from "./volume-place.ts";

/** Ends moves that are over, counts those that failed, and gives a VM that is not to run its new place (HM1). */
export function continueMoves(round: VmRound): void {
  const { view } = round;
  for (const [id, move] of inKeyOrder(view.moves)) {
    const vm = view.vms.get(id)?.value;
    const stage = stageOf(view, move.value);
    // Nothing but its error is told of such a VM; once a person has dealt with that, it starts anew.
    const isGivenUp = stage === "free" && vmError(view, id) !== undefined;
    // So it is where its guest has ended before it could take its disks along: it stays with them, whether or not it starts there.
    const staysThere = stage === "free" && vm !== undefined && isBound(view, vm, move.value.to);
    if (round.isTaken(id) && !isGivenUp && !(staysThere && round.isOnlySaid(id))) continue;
    if (round.postpones()) return;
    if (isGivenUp || staysThere) endMove(round, move, vm);
    else if (stage === "switched") endSwitched(round, move, vm);
    else if (stage === "over" || vm === undefined) endMove(round, move, vm);
    else if (stage === "failed") countFailure(round, move, vm);
    else if (stage === "waits" && move.value.live !== undefined) watchLive(round, move, vm);
    // One that is wanted is placed like every VM that nobody may run.
    else if (stage === "free" && vm.requested !== "started") changePlace(round, move.value, vm);
  }
}

function isBound(view: ClusterView, vm: Vm, to: HostId): boolean {
  const lies = liesOn(view, vm);
  return lies !== undefined && lies !== to && !wholeCopies(view, vm.id).includes(to);
}

/** Nobody answers for a target that is lost: the move is over, and the guest goes on where it is (S15). */
function watchLive(round: VmRound, move: Stored<VmMove>, vm: Vm): void {
  const { to, live } = move.value;
  const lost = whyTargetLost(round, move.value);
  const params = { vm: vm.name, host: to };
  if (lost !== undefined) countFailure(round, move, vm, { code: lost, params });
  else if (live?.kind !== "asked") return;
  // Nobody waits for it yet, and it may wait long for its turn: it goes elsewhere, or stays.
  else if (round.view.maintenances.has(to))
    countFailure(round, move, vm, { code: "move-target-in-maintenance", params });
  else {
    const withheld = whyWithheld(vm);
    if (withheld !== undefined) countFailure(round, move, vm, withheld);
  }
}

type Lost = "move-host-lost" | "move-target-silent" | "move-target-agent-gone";

function whyTargetLost(round: VmRound, { to, live }: VmMove): Lost | undefined {
  const { view, known } = round;
  const present = view.hosts.get(to)?.value.incarnation;
  if (present === undefined || fenceOf(view, to, present) !== undefined) return "move-host-lost";
  if (live?.kind === "waiting" && live.incarnation !== present) return "move-host-lost";
  const contact = known.contacts.get(to);
  if (contact?.incarnation !== present) return undefined;
  const agentAgeMs = heartbeatOf(view, to, present)?.value.agentAgeMs ?? 0;
  const lostAt = later(contact.heardAt, limits.moveSilentMs);
  if (known.now < lostAt) round.wake(lostAt);
  else return "move-target-silent";
  // No sooner than a host without its agent is chosen for nothing any more: what begins must not end at once.
  return agentAgeMs > limits.agentSilentMs ? "move-target-agent-gone" : undefined;
}

/** The source says itself that it has quit; where it never will, its proof says so (S15). */
function endSwitched(round: VmRound, move: Stored<VmMove>, vm: Vm | undefined): void {
  const pools = vm === undefined ? undefined : poolsOf(vm, round.view);
  if (pools === undefined) return;
  const { from, incarnation } = move.value;
  const proof = proveGone(round.view, from, incarnation, pools);
  if (proof !== undefined) endMove(round, move, vm, [unchanged(keys.fence(from, incarnation), proof.record)]);
}

function endMove(round: VmRound, move: Stored<VmMove>, vm: Vm | undefined, proven: readonly Compare[] = []): void {
  const { view, also } = round;
  const { vm: id, from } = move.value;
  const owner = view.owners.get(id)?.value;
  const arrived = owner !== undefined && owner.host !== from;
  // What failed before has been made good; also where the VM came to another host than was meant.
  const change = arrived ? { failedMoves: null } : {};
  const back = vm === undefined || owner === undefined ? {} : backAt(view, vm, owner.host);
  const plan = vm === undefined ? noChange : planChange(view, id, { ...change, ...back });
  const write = transaction(
    [unchanged(keys.vmMove(id), move), ...plan.compares, ...proven, ...also],
    [remove(keys.vmMove(id)), ...plan.writes],
  );
  const params = { vm: vm?.name ?? id, from, to: move.value.to };
  round.decide(id, write, vm === undefined ? [] : toldOf(move.value, arrived, params));
}

/** That it changed hands is told by its source when it quits; where that never will, the manager does. */
function toldOf({ vm, live }: VmMove, arrived: boolean, params: Params): EventDraft[] {
  if (live?.kind === "switched") return [event("vm-source-gone", { vm }, params)];
  return arrived ? [] : [event("vm-move-dropped", { vm }, params)];
}

function countFailure(round: VmRound, move: Stored<VmMove>, vm: Vm, cause?: Pick<Reason, "code" | "params">): void {
  const { view, also } = round;
  const { to, from, answer } = move.value;
  const failed = cause ?? (answer.kind === "failed" ? answer : undefined);
  if (failed === undefined) return;
  const { code, params } = failed;
  const known = view.plans.get(vm.id);
  const before = known === undefined || isOutdated(view, known) ? 0 : (known.value.failedMoves?.count ?? 0);
  const isOff = isCalledOff(code);
  const count = isOff ? before : before + 1;
  const owner = view.owners.get(vm.id)?.value;
  const back = owner === undefined ? {} : backAt(view, vm, owner.host);
  const plan = planChange(view, vm.id, {
    failedMoves: {
      ...{ count, to, code, params: { ...params }, at: round.known.wall },
      targets: failedTargetsWith(view, vm.id, to, code),
    },
    ...back,
  });
  const write = transaction(
    [unchanged(keys.vmMove(vm.id), move), ...plan.compares, ...also],
    [remove(keys.vmMove(vm.id)), ...plan.writes],
  );
  const reason = { rule: "HM2", code, params };
  const type = isOff ? "vm-move-called-off" : "vm-move-failed";
  round.decide(vm.id, write, [event(type, { vm: vm.id, host: from }, { vm: vm.name, to, count }, reason)]);
}

/** The owner record names the host where it ran last; from now on another one, without anybody running it. */
function changePlace(round: VmRound, move: VmMove, vm: Vm): void {
  const { view, also } = round;
  const told = event("vm-place-changed", { vm: vm.id, host: move.to }, { vm: vm.name, host: move.to }, move.reason);
  const copies = promotion(round, vm, view.owners.get(vm.id)?.value, move.to);
  if (copies.kind === "refused") return;
  const { compares, writes } = changePlaceTransaction(view, vm.id, move.to, also);
  round.decide(vm.id, transaction([...compares, ...copies.compares], [...writes, ...copies.writes]), [told]);
}
