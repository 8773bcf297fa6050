import { compareText, valuesInKeyOrder } from "../base/order.ts";
import { cpuModelAtStart } from "../core/cpu.ts";
import { event } from "../core/decision.ts";
import { isDisarmed } from "../core/disarmed.ts";
import { poolsOf } from "../core/fencing.ts";
import { limits } from "../core/limits.ts";
import { isBetweenHosts } from "../core/migration.ts";
import {
  adoptTransaction,
  assertMayStart,
  releaseTransaction,
  restartTransaction,
  wentBackTransaction,
} from "../core/ownership.ts";
import { saidByHost } from "../core/replication.ts";
import { saidWhole } from "../core/replication-cycles.ts";
import { transaction } from "../core/transactions.ts";
import { vmIndex } from "../core/vm-index.ts";
import { liesOn } from "../core/volume-place.ts";
import { type Incarnation, later, nextEpoch, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import { noteOf } from "./alone.ts";
import { type Building, isNamed } from "./building.ts";
import { takeProgress } from "./copying.ts";
import { settleCycles } from "./cycling.ts";
import { endRun, isGoingDown, whyEnding } from "./ending.ts";
import { greetArrivals } from "./greeting.ts";
import { answerIntents } from "./intents.ts";
import { endGivenUp, forgetAhead, isHalted, settleHalted } from "./last-cycle.ts";
import { fresh, needList, withLocal } from "./locals.ts";
import { settleMirrors } from "./mirroring.ts";
import { kill, moveSubject } from "./move-parts.ts";
import { isPartHere, moveOut, settleMoving, settleQuit } from "./moving.ts";
import { isAwaitedByMove, settleNotArrived, takeIn, writeMoveEnds } from "./moving-in.ts";
import { lookAgain, settleImages } from "./old-images.ts";
import { settleKeeping } from "./point-keeping.ts";
import { settleTaking } from "./point-taking.ts";
import { answerWishes } from "./point-wishes.ts";
import { hasCeased, settleReceiving } from "./receiving.ts";
import { mayRestart, restartsInARow, restartWaitMs } from "./restarts.ts";
import { isOwnedForBoth } from "./second-commit.ts";
import { type Local, runKey } from "./state.ts";
import { reportStatus, statusChange } from "./status.ts";

/** Brings every run on this host to what its owner record says, and every VM owned here to a run. */
export function reconcile(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  for (const local of valuesInKeyOrder(building.state.locals)) settleLocal(building, local, incarnation);
  for (const id of [...(vmIndex(view).heldBy.get(building.state.self) ?? [])].sort(compareText)) {
    const owner = view.owners.get(id);
    if (owner?.value.kind === "held") settleOwned(building, id, owner as Stored<HeldOwner>, incarnation);
  }
  settleMirrors(building, incarnation);
  settleCycles(building, incarnation);
  settleReceiving(building, incarnation);
  settleTaking(building, incarnation);
  settleKeeping(building, incarnation);
  answerWishes(building);
  settleQuit(building, incarnation);
  settleNotArrived(building, incarnation);
  takeIn(building, incarnation);
  settleImages(building, incarnation);
  writeMoveEnds(building);
  takeProgress(building);
  lookAgain(building);
  greetArrivals(building);
  answerIntents(building, incarnation);
  reportStatus(building, incarnation);
}

function settleLocal(building: Building, local: Local, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { run } = local;
  if (isHalted(local)) {
    settleHalted(building, local, incarnation);
    return;
  }
  if (isUnreadable(view, run.vm) || ["starting", "stopping", "killing", "adopting"].includes(local.phase)) return;
  if (endGivenUp(building, local, incarnation)) return;
  const named = isNamed(view, building.state.self, run);
  if (local.phase === "gone") {
    if (!named && !isAwaitedByMove(building, local)) dropLocal(building, run);
    return;
  }
  if (local.phase === "unclear") {
    // Its QEMU ended by itself: clean up and verify before anything else is decided about the VM.
    if (local.exit === null) building.state = needList(building.state);
    else kill(building, local);
    return;
  }
  if (isClaimed(building, run, incarnation)) return;
  if (local.moving !== null) {
    // One of an earlier life of this host goes on as any other, and then with its part (S11).
    const { part } = local.moving;
    if (run.incarnation !== incarnation && named && (part === "leaving" || part === "arriving"))
      claim(building, local, incarnation);
    else settleMoving(building, local, incarnation, local.moving);
    return;
  }
  if (!named) {
    kill(building, local);
    return;
  }
  const ending = whyEnding(view, run.vm, building.state.self);
  if (run.incarnation !== incarnation) claim(building, local, incarnation);
  else if (ending !== undefined) endRun(building, local, ending);
  else if (local.last?.stage === "ahead") forgetAhead(building, local);
  else if (local.stopsFailed > 0) building.state = withLocal(building.state, { ...local, stopsFailed: 0 });
  else moveOut(building, local, incarnation);
}

function claim(building: Building, local: Local, incarnation: Incarnation): void {
  const { view } = building.happened;
  // Its source may have to take it back: what an earlier life of this host got is not ended before that has quit (S15).
  const ending = isBetweenHosts(view, local.run.vm) ? undefined : whyEnding(view, local.run.vm, building.state.self);
  settleOlder(building, local, incarnation, ending === undefined || ending === "moved");
}

/** Unread is not absent: a VM whose records a newer version wrote is neither stopped nor killed for that. */
function isUnreadable(view: ClusterView, vm: VmId): boolean {
  if (view.unreadable.size === 0) return false;
  return [keys.vm(vm), keys.owner(vm), keys.vmMove(vm)].some((key) => view.unreadable.has(key));
}

/** S11: a run of an earlier incarnation that still owns its VM stands frozen; claim the VM back, then let it go on. */
function settleOlder(building: Building, local: Local, incarnation: Incarnation, wanted: boolean): void {
  const { run } = local;
  const { view } = building.happened;
  if (!wanted) {
    kill(building, local);
    return;
  }
  if (building.busy(run.vm) || building.busy(moveSubject(run.vm)) || isBetweenHosts(view, run.vm)) return;
  // The power may go at any moment: neither adopt nor kill until the manager confirmed or abandoned it.
  if (fenceOf(view, building.state.self, run.incarnation)?.value.device === "begun") return;
  const transaction = adoptTransaction(view, run.vm, { host: building.state.self, incarnation });
  if (transaction === undefined) {
    kill(building, local);
    return;
  }
  const vm = view.vms.get(run.vm)?.value;
  const reason = { rule: "S11", code: "nobody-took-it", params: { vm: vm?.name ?? run.vm } };
  const told = event("vm-adopted", { vm: run.vm, host: building.state.self }, { vm: vm?.name ?? run.vm }, reason);
  building.commit(run.vm, transaction, [told]);
}

/** The owner record already names the run that this older copy is to become (S11); `continueAdoption` moves it over. */
function isClaimed(building: Building, run: VmRun, incarnation: Incarnation): boolean {
  const next: VmRun = { vm: run.vm, incarnation, epoch: nextEpoch(run.epoch) };
  return run.incarnation < incarnation && isNamed(building.happened.view, building.state.self, next);
}

function dropLocal(building: Building, run: VmRun): void {
  const locals = new Map(building.state.locals);
  locals.delete(runKey(run));
  building.state = { ...building.state, locals };
}

/** A VM owned here: adopt, start, restart or give up, where no run of it is alive. */
function settleOwned(building: Building, id: VmId, owner: Stored<HeldOwner>, incarnation: Incarnation): void {
  if (building.busy(id) || building.busy(moveSubject(id)) || isUnreadable(building.happened.view, id)) return;
  const { view } = building.happened;
  const run: VmRun = { vm: id, incarnation: owner.value.incarnation, epoch: owner.value.epoch };
  const local = building.state.locals.get(runKey(run));
  // Where it came from has not quit: it starts nowhere. What has run here and is ended may be let go all the same (S15).
  if (isBetweenHosts(view, id) && !hasEndedHere(building, local, incarnation)) return;
  if (local !== undefined && local.phase !== "gone") return;
  if (continueAdoption(building, run, incarnation) || isPartHere(building, run)) return;
  const vm = view.vms.get(id)?.value;
  const isEnding = whyEnding(view, id, building.state.self) !== undefined;
  // What waited here for a guest and was cleared away has used nothing of the epoch that it bore.
  const hasNotRun = local === undefined || local.neverRan;
  const isNew = hasNotRun && owner.revision > building.state.syncedRevision;
  // Its last word may be on its way, whatever was placed here meanwhile: it starts nothing any more (S9).
  const isOver = isEnding || run.incarnation !== incarnation || isGoingDown(view, building.state.self);
  if (vm === undefined || isOver) release(building, id, owner, null, vm);
  // What was placed before the cluster was disarmed, or while that waited, starts; nothing else does (HM5).
  else if (isDisarmed(view) && !(isNew && vm.requested === "started")) return;
  // Somebody works on it: it is left alone until then (HM2).
  else if (vm.lock !== null) return;
  else if (isNew) start(building, run, vm, owner);
  else if (local === undefined) restart(building, id, owner, vm, "agent-restarted");
  // Stopped by order, and wanted again before that was on record: the stop is completed, and what follows is a new start.
  else if (local.exit === null) release(building, id, owner, null, vm);
  else if (mayRestart(building.state.restarts.get(id), vm, run.epoch, building.happened.now, local.refusal?.code))
    restart(building, id, owner, vm, local.exit);
  else release(building, id, owner, local.exit, vm);
}

/** It executed here, nothing of it is left, and it is not to run here any more. */
function hasEndedHere({ happened: { view }, state }: Building, local: Local | undefined, incarnation: Incarnation) {
  if (local?.phase !== "gone" || local.neverRan || local.run.incarnation !== incarnation) return false;
  return whyEnding(view, local.run.vm, state.self) !== undefined;
}

/** The claim of S11 is committed, the frozen copy still lies in the old folder: move it over. */
function continueAdoption(building: Building, run: VmRun, incarnation: Incarnation): boolean {
  if (run.incarnation !== incarnation) return false;
  for (const local of building.state.locals.values()) {
    if (local.run.vm !== run.vm || !isClaimed(building, local.run, incarnation) || local.phase === "gone") continue;
    if (!["running", "paused", "moving"].includes(local.phase) || !isOwnedForBoth(building, run)) return true;
    const op = building.op({ kind: "adopt", runKey: runKey(local.run), as: run });
    building.state = withLocal(building.state, { ...local, phase: "adopting" });
    building.effects.push({ kind: "adopt", op, run: local.run, as: run });
    return true;
  }
  return false;
}

function start(building: Building, run: VmRun, vm: Vm, owner: Stored<HeldOwner>): void {
  const { view, now, wall } = building.happened;
  if (building.state.heart === "lost" || building.state.heart.frozen) return;
  const pools = poolsOf(vm, view);
  if (pools === undefined) return;
  // Its disks may lie here as copies that another host still writes (S19).
  if (liesOn(view, vm) !== undefined && !hasCeased(building, run)) return;
  const { back } = owner.value;
  if (back !== undefined) {
    const params = { vm: vm.name, host: building.state.self, point: back.point };
    const told = event("vm-went-back", { vm: vm.id, host: building.state.self }, params);
    building.commit(vm.id, wentBackTransaction(view, vm.id, owner), [told]);
    return;
  }
  assertMayStart(view, run, building.state.self);
  if (!isOwnedForBoth(building, run)) return;
  const shown = { ...vm, spec: { ...vm.spec, cpuModel: cpuModelAtStart(view, vm) } };
  const op = building.op({ kind: "start", runKey: runKey(run) });
  building.state = withLocal(building.state, fresh(run, "starting", wall));
  const before = building.state.restarts.get(vm.id);
  const restarts = { count: before?.count ?? 0, startedAt: now, counted: before?.counted ?? null };
  building.state = { ...building.state, restarts: new Map(building.state.restarts).set(vm.id, restarts) };
  building.effects.push({ kind: "start", op, request: { run, vm: shown, pools } });
}

function restart(building: Building, id: VmId, owner: Stored<HeldOwner>, vm: Vm, exit: string): void {
  const { now, view } = building.happened;
  const last = building.state.restarts.get(id);
  const ended = owner.value.epoch;
  const isCounted = exit === "agent-restarted" || last?.counted === ended;
  const count = isCounted ? (last?.count ?? 0) : restartsInARow(last, now) + 1;
  const dueAt = last === undefined ? now : later(last.startedAt, restartWaitMs(count));
  if (now < dueAt) {
    building.wakeAt(dueAt);
    return;
  }
  const params = { vm: vm.name, exit, restarts: count, maxRestart: vm.maxRestart };
  const local = building.state.locals.get(runKey({ vm: id, ...owner.value }));
  const reason = refusalOf(local) ?? { rule: "S14", code: "run-ended", params };
  const told = event("vm-restarted", { vm: id, host: building.state.self }, { ...params, epoch: ended + 1 }, reason);
  const restarts = { count, startedAt: last?.startedAt ?? now, counted: ended };
  building.state = { ...building.state, restarts: new Map(building.state.restarts).set(id, restarts) };
  building.commit(id, restartTransaction(view, id, owner), [told]);
}

/** The hypervisor's own words for a start that it refused: what an admin needs first. */
function refusalOf(local: Local | undefined): Reason | null {
  const refusal = local?.refusal ?? null;
  return refusal === null ? null : { rule: "S14", ...refusal };
}

/** Nothing of the run is left on this host (S6): whoever is next needs no proof. */
function release(
  building: Building,
  id: VmId,
  owner: Stored<HeldOwner>,
  failed: Local["exit"],
  vm: Vm | undefined,
): void {
  const last = building.state.restarts.get(id);
  const ranWell = last !== undefined && building.happened.now - last.startedAt > limits.quietRunMs;
  const given = releaseTransaction(building.happened.view, id, owner, failed, ranWell);
  const type = failed === null ? "vm-stopped" : "vm-failed";
  const local = building.state.locals.get(runKey({ vm: id, ...owner.value }));
  const params = { vm: vm?.name ?? id, host: building.state.self, exit: failed ?? "", detail: local?.detail ?? "" };
  const told = event(type, { vm: id, host: building.state.self }, params, refusalOf(local));
  const restarts = new Map(building.state.restarts);
  restarts.delete(id);
  building.state = { ...building.state, restarts };
  // How it ended stands in the same transaction: once nobody holds the VM, nobody may write its status.
  const end = failed === null || local === undefined ? undefined : statusChange(building, local);
  const write = end === undefined ? given : transaction([...given.compares, end.compare], [...given.writes, end.write]);
  // S23: what its copies are worth from here on, nobody else could say.
  const since = noteOf(building.state, { vm: id, epoch: owner.value.epoch })?.at;
  const { compares, writes } = saidByHost(building.happened.view, id, owner.value.epoch, since);
  const lastCycle = local?.last?.stage === "sealed" ? local.last.cycle : null;
  const whole = saidWhole(building.happened.view, id, owner.value.epoch, lastCycle);
  building.commit(
    id,
    transaction([...write.compares, ...compares, ...whole.compares], [...write.writes, ...writes, ...whole.writes]),
    [told],
  );
}
