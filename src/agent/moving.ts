import { inKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { isBetweenHosts, leftTransaction, switchoverTransaction, whyWithheld } from "../core/migration.ts";
import { moveDuty } from "../core/move-duty.ts";
import { moveTurns } from "../core/move-turns.ts";
import { planChange } from "../core/plans.ts";
import { stillIn, transaction } from "../core/transactions.ts";
import { type HostId, type Incarnation, nextEpoch, type VmId } from "../model/ids.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Refusal } from "../model/reason.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { isGoingDown, whyEnding } from "./ending.ts";
import { endUnanswered, letGoOn, letGoOnBefore } from "./letting-go-on.ts";
import { partOf, withLocal } from "./locals.ts";
import { beginStep, failMove, kill, migrationPolicy, moveSubject, movesHere, movesMax, nameOf } from "./move-parts.ts";
import { settleIncoming } from "./moving-in.ts";
import { isWorking, withMoving } from "./note-moves.ts";
import { copiedDisks } from "./old-images.ts";
import { type Local, type Moving, runKey } from "./state.ts";
import {
  copiesStage,
  forgetConfirmation,
  hasBegun,
  hasLetGo,
  hasTakenCopies,
  isConfirmed,
  wasAwaited,
} from "./switching.ts";
import { isSilent } from "./target-beats.ts";

/** A run that has a part in a live move: what is owed to it follows from the records alone (S15). */
export function settleMoving(building: Building, local: Local, incarnation: Incarnation, moving: Moving): void {
  const { view, now } = building.happened;
  const { state } = building;
  const key = runKey(local.run);
  const me = { host: state.self, incarnation };
  const duty = moveDuty(view, me, local.run, moving.part);
  if (duty === "let-go-on" && endUnanswered(building, local, moving)) return;
  // What is copied is let go on at once where the move has ended, and what is to be killed is killed; else a step is awaited.
  const isCopying = isWorking(state, key) && !isWorking(state, key, "migrate-out");
  if (isWorking(state, key) && duty !== "kill" && !(isCopying && duty !== "switch-over")) return;
  if (moving.retryAt !== null && now < moving.retryAt) {
    building.wakeAt(moving.retryAt);
    return;
  }
  switch (duty) {
    case "keep":
      if (moving.part === "incoming") settleIncoming(building, local, moving);
      else conduct(building, local, moving, isCopying);
      return;
    case "let-go-on":
      letGoOn(building, local, moving);
      return;
    case "switch-over":
      // Then it waits: its copy is all that there is of the guest until the target says that it goes on there (S15).
      if (moving.stage === "over" || moving.stage === "refused") return;
      if (hasLetGo(building, local.run)) beginStep(building, "switch-over", local.run);
      return;
    case "complete":
      if (moving.stage !== "refused" && moving.stage !== "doubted") {
        const isReady = hasTakenCopies(building, local.run, moving) && hasBegun(building, local.run, moving);
        if (isReady) complete(building, local.run);
      }
      // Whether it ever executed is not known: nothing can be given back, and it starts afresh.
      else if (moving.part === "arriving") endCopy(building, local);
      else beginStep(building, "abandon", local.run);
      return;
    case "abandon":
      beginStep(building, "abandon", local.run);
      return;
    case "adopt":
      takeBack(building, local, incarnation);
      return;
    case "kill":
      endCopy(building, local);
  }
}

/** By the agent of the source, while it owns the VM: calls the move off where it must not go on, or hands the VM over. */
function conduct(building: Building, local: Local, moving: Moving, isCopying: boolean): void {
  const { view } = building.happened;
  const { vm } = local.run;
  const move = view.moves.get(vm);
  if (move === undefined || building.busy(moveSubject(vm))) return;
  const params = { vm: nameOf(view, vm), host: building.state.self };
  const withheld = whyMoveWithheld(view, vm);
  // Another move, of the same run: what was copied was copied for the one before.
  if (moving.of === null ? move.value.live?.kind === "asked" : moving.of !== move.revision)
    letGoOnBefore(building, local, moving, move);
  // Its conversation was an earlier agent's, or ended without an answer: nobody knows how far it came.
  else if (!isCopying && moving.stage !== "ready") failMove(building, move, "move-interrupted", params);
  else if (whyEnding(view, vm, building.state.self) !== undefined) failMove(building, move, "move-not-wanted", params);
  else if (isTargetLost(view, move.value))
    failMove(building, move, "move-host-lost", { ...params, host: move.value.to });
  else if (isSilent(building.state, move.value.to, moving.since))
    failMove(building, move, "move-target-silent", { ...params, host: move.value.to });
  else if (withheld !== undefined) failMove(building, move, withheld.code, withheld.params);
  else if (copiesStage(building, local.run, move.value) === "behind")
    failMove(building, move, "move-copy-behind", { ...params, host: move.value.to });
  else if (moving.stage === "ready" && !building.busy(vm) && isConfirmed(building, local.run, move))
    handOver(building, move, local.run);
}

function whyMoveWithheld(view: ClusterView, id: VmId): Refusal | undefined {
  const vm = view.vms.get(id)?.value;
  return vm === undefined ? undefined : whyWithheld(vm);
}

function isTargetLost(view: ClusterView, { to, live }: VmMove): boolean {
  const present = view.hosts.get(to)?.value.incarnation;
  if (present === undefined || fenceOf(view, to, present) !== undefined) return true;
  return live?.kind === "waiting" && live.incarnation !== present;
}

/** S15: the one transaction by which the VM changes hands. Until its outcome is known the guest stands still. */
function handOver(building: Building, move: Stored<VmMove>, { vm, incarnation }: VmRun): void {
  const commit = switchoverTransaction(
    building.happened.view,
    vm,
    { host: building.state.self, incarnation },
    building.happened.wall,
  );
  if (commit.kind === "refused")
    failMove(building, move, commit.code, { ...commit.params, vm: nameOf(building.happened.view, vm) });
  // Without an event: whatever else waits to be told must not keep the guest standing.
  else building.commit(moveSubject(vm), commit.transaction, []);
}

function complete(building: Building, run: VmRun): void {
  const isOver = !building.happened.view.moves.has(run.vm) || wasAwaited(building, run);
  const op = building.op({ kind: "complete", runKey: runKey(run) });
  const limitMs = isOver ? limits.moveCompleteLateMs : limits.moveCompleteMs;
  building.effects.push({ kind: "complete", op, run, limitMs });
}

/** Its guest is another's, or starts afresh. */
function endCopy(building: Building, local: Local): void {
  const { run, stopsFailed } = local;
  const { view } = building.happened;
  const self = building.state.self;
  if (stopsFailed === 1 && isBetweenHosts(view, run.vm) && view.moves.get(run.vm)?.value.from === self) {
    const registration = view.hosts.get(self);
    const told = event("old-copy-does-not-end", { vm: run.vm, host: self }, { vm: nameOf(view, run.vm), host: self });
    if (registration !== undefined)
      building.commit(`stuck ${run.vm}`, transaction(stillIn(self, registration), []), [told]);
  }
  kill(building, local);
}

/** The target gave the VM back: this copy bears the name of the epoch in which it is owned again, and then goes on. */
function takeBack(building: Building, local: Local, incarnation: Incarnation): void {
  if (local.run.incarnation !== incarnation) {
    endCopy(building, local);
    return;
  }
  const as = { ...local.run, epoch: nextEpoch(nextEpoch(local.run.epoch)) };
  const op = building.op({ kind: "adopt", runKey: runKey(local.run), as });
  building.state = withLocal(building.state, { ...local, phase: "adopting" });
  building.effects.push({ kind: "adopt", op, run: local.run, as });
}

/** A guest that runs here, and a target that waits for it: the copying begins. */
export function moveOut(building: Building, local: Local, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { state } = building;
  const { vm, epoch } = local.run;
  const move = view.moves.get(vm);
  const live = move?.value.live;
  if (move === undefined || live?.kind !== "waiting" || move.value.answer.kind !== "open") return;
  const { from, to } = move.value;
  if (from !== state.self || move.value.incarnation !== incarnation || move.value.epoch !== epoch) return;
  if (isWorking(state, runKey(local.run)) || building.busy(moveSubject(vm))) return;
  // It was tried, and that is about to be on record.
  if (state.moveEnds.get(vm)?.of === move.revision) return;
  const withheld = whyMoveWithheld(view, vm);
  if (withheld !== undefined) {
    failMove(building, move, withheld.code, withheld.params);
    return;
  }
  // Nothing copies a guest that stands: the next attempt is to stop it, and to start it there.
  if (local.phase === "paused") failMove(building, move, "move-guest-stands", { vm: nameOf(view, vm) });
  if (local.phase !== "running") return;
  if (state.heart === "lost" || state.heart.frozen || isTargetLost(view, move.value)) return;
  if (movesHere(building, "out") >= movesMax(view) || isGoingDownAtOnce(view, state.self)) return;
  const copies = copiesStage(building, local.run, move.value);
  if (copies === "behind") failMove(building, move, "move-copy-behind", { vm: nameOf(view, vm), host: to });
  if (copies !== "ready") return;
  // More targets may wait than there are turns, where each of them had seen too little of the others.
  if (moveTurns(view).get(vm) !== 0) return;
  const as = { vm, incarnation: live.incarnation, epoch: nextEpoch(epoch) };
  const op = building.op({ kind: "migrate-out", runKey: runKey(local.run) });
  const { doors, tls } = live;
  const moving = partOf("leaving", move.revision, { tls, since: building.happened.now });
  forgetConfirmation(building, local.run);
  building.state = withMoving(building.state, { ...local, moving }, {});
  const { bandwidthMiBps, downtimeMs } = migrationPolicy(view);
  const request = { to, as, doors, tls, bandwidthMiBps, downtimeMs, ...copiedDisks(view, move.value) };
  building.effects.push({ kind: "migrate-out", op, run: local.run, request });
}

/** It is moved away because of that, or stopped at once. */
function isGoingDownAtOnce(view: ClusterView, self: HostId): boolean {
  const mode = view.modes.get(self)?.value.mode;
  return isGoingDown(view, self) && mode !== "leaving";
}

/** VMs that were handed over from here, and of which nothing is left: this host has quit (S15). */
export function settleQuit(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self, locals } = building.state;
  for (const [vm, { value: move }] of inKeyOrder(view.moves)) {
    if (move.live?.kind !== "switched" || move.from !== self || move.epoch === null) continue;
    if (move.incarnation > incarnation || building.busy(moveSubject(vm))) continue;
    const left = locals.get(runKey({ vm, incarnation: move.incarnation, epoch: move.epoch }));
    if (left !== undefined && left.phase !== "gone") continue;
    const commit = leftTransaction(view, vm, self);
    if (commit.kind === "refused") continue;
    const plan = planChange(view, vm, { failedMoves: null });
    const { compares, writes } = commit.transaction;
    const pauseMs = building.state.pauses.get(vm);
    const params = { vm: nameOf(view, vm), to: move.to };
    const subjects = { vm, host: self };
    const told =
      pauseMs === undefined
        ? event("vm-left-unmeasured", subjects, params)
        : event("vm-left", subjects, { ...params, pauseMs });
    building.commit(moveSubject(vm), transaction([...compares, ...plan.compares], [...writes, ...plan.writes]), [told]);
  }
}

/** A copy of the VM is here that has a part in a move, and is none of this run: it comes first. */
export function isPartHere({ state }: Building, run: VmRun): boolean {
  for (const { run: other, moving, phase } of state.locals.values()) {
    if (other.vm === run.vm && other.epoch !== run.epoch && moving !== null && phase !== "gone") return true;
  }
  return false;
}
