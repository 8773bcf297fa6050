import { compareText, inKeyOrder } from "../base/order.ts";
import { cpuModelOfRun } from "../core/cpu.ts";
import { event } from "../core/decision.ts";
import { poolsOf } from "../core/fencing.ts";
import { giveBackTransaction } from "../core/migration.ts";
import { linkOrder, moveLinks } from "../core/migration-links.ts";
import { moveTurns } from "../core/move-turns.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import { type Incarnation, nextEpoch, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { refuse } from "../model/reason.ts";
import { fenceOf, type Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import { type Building, isNamed } from "./building.ts";
import { isGoingDown } from "./ending.ts";
import { fresh, partOf, withLocal } from "./locals.ts";
import { beginStep, failMove, migrationPolicy, moveSubject, movesHere, movesMax, nameOf } from "./move-parts.ts";
import { copiedDisks, mayPrepare } from "./old-images.ts";
import { type Local, type Moving, runKey } from "./state.ts";
import { hasPrepared } from "./switching.ts";

/** By the agent of the target, while the VM is its source's: says that it waits. */
export function settleIncoming(building: Building, local: Local, moving: Moving): void {
  const { view } = building.happened;
  const { vm } = local.run;
  const move = view.moves.get(vm);
  if (move === undefined || building.busy(moveSubject(vm))) return;
  if (isGoingDown(view, building.state.self)) {
    const params = { vm: nameOf(view, vm), host: building.state.self };
    failMove(building, move, "move-target-leaves", params);
  } else if (move.value.live?.kind === "asked") {
    // Prepared for an earlier move, or by an earlier agent, whose doors went with it.
    if (moving.doors === null || moving.of !== move.revision) beginStep(building, "abandon", local.run);
    else if (hasPrepared(building, local.run, move.value))
      sayWaiting(building, move, local.run, { doors: [...moving.doors], tls: moving.tls });
  }
}

type Way = Pick<VmMove["live"] & { readonly kind: "waiting" }, "doors" | "tls">;

function sayWaiting(building: Building, move: Stored<VmMove>, run: VmRun, way: Way): void {
  const registration = building.happened.view.hosts.get(building.state.self);
  if (registration === undefined) return;
  const { incarnation } = run;
  const onCopies = move.value.live?.onCopies === true ? ({ onCopies: true } as const) : {};
  const next: VmMove = { ...move.value, live: { kind: "waiting", incarnation, ...way, ...onCopies } };
  const key = keys.vmMove(run.vm);
  const compares = [unchanged(key, move), ...stillIn(building.state.self, registration)];
  const { from, to } = move.value;
  // It may have waited long for its turn: that it is to leave was told when it was asked for.
  const told = event("vm-leaves", { vm: run.vm, host: to }, { vm: nameOf(building.happened.view, run.vm), from, to });
  building.commit(moveSubject(run.vm), transaction(compares, [put(key, next)]), [told]);
}

/** Makes ready for guests that are to come here, as many at a time as the policy has it; the oldest move first. */
export function takeIn(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { heart, self } = building.state;
  if (view.moves.size === 0 || heart === "lost" || heart.frozen) return;
  const asked = [...view.moves].filter(([, { value }]) => isAskedOf(building, value));
  // Those of a team are written at once.
  asked.sort(([one, a], [other, b]) => a.revision - b.revision || compareText(one, other));
  if (isGoingDown(view, self)) {
    // They would take the turns of those that leave this host.
    for (const [vm, move] of asked)
      failMove(building, move, "move-target-leaves", { vm: nameOf(view, vm), host: self });
    return;
  }
  const turns = asked.length === 0 ? undefined : moveTurns(view);
  for (const [vm, move] of asked) {
    if (turns?.get(vm) !== 0 || movesHere(building, "in") >= movesMax(view)) continue;
    if (building.busy(moveSubject(vm))) continue;
    const left = whatIsHere(building, vm);
    if (left !== undefined) {
      const params = { vm: nameOf(view, vm), host: self };
      if (left.stopsFailed > 0) failMove(building, move, "move-old-copy-there", params);
      continue;
    }
    if (building.state.moveEnds.get(vm)?.of === move.revision) continue;
    if (mayPrepare(building, move)) prepare(building, move, incarnation);
  }
}

function isAskedOf({ state, happened }: Building, { vm, to, from, incarnation, epoch, live, answer }: VmMove): boolean {
  if (to !== state.self || live?.kind !== "asked" || answer.kind !== "open" || epoch === null) return false;
  const owner = happened.view.owners.get(vm)?.value;
  if (owner?.kind !== "held" || fenceOf(happened.view, from, incarnation) !== undefined) return false;
  return owner.host === from && owner.incarnation === incarnation && owner.epoch === epoch;
}

/** Something of an earlier run of it is left. */
function whatIsHere({ state }: Building, vm: VmId): Local | undefined {
  for (const local of state.locals.values()) if (local.run.vm === vm && local.phase !== "gone") return local;
  return undefined;
}

function prepare(building: Building, move: Stored<VmMove>, incarnation: Incarnation): void {
  const { view, wall } = building.happened;
  const { vm: id, from, to, epoch } = move.value;
  const vm = view.vms.get(id)?.value;
  const pools = vm === undefined ? undefined : poolsOf(vm, view);
  const [there, here] = [view.members.get(from)?.value, view.members.get(to)?.value];
  if (vm === undefined || epoch === null) return;
  if (pools === undefined || there === undefined || here === undefined) {
    failMove(building, move, "move-records-missing", { vm: vm.name, host: to });
    return;
  }
  const run = { vm: id, incarnation, epoch: nextEpoch(epoch) };
  const links = moveLinks(there, here, linkOrder(view));
  if (links.length === 0) {
    failMove(building, move, "move-no-common-link", { vm: vm.name, from: there.name, host: here.name });
    return;
  }
  const { tls } = migrationPolicy(view);
  const moving = partOf("incoming", move.revision, { tls, since: building.happened.now });
  const op = building.op({ kind: "prepare", runKey: runKey(run) });
  building.state = withLocal(building.state, { ...fresh(run, "moving", wall), moving });
  const addresses = links.map((link) => link.to);
  // The guest comes with the processor that it was shown at its start (PL8).
  const shown = { ...vm, spec: { ...vm.spec, cpuModel: cpuModelOfRun(view, vm) } };
  const request = { run, vm: shown, pools, from, addresses, tls, ...copiedDisks(view, move.value) };
  building.effects.push({ kind: "prepare", op, request });
}

/**
 * VMs that were handed over to this host, and of which nothing is left here. Given back where it is certain that they never
 * ran; otherwise that is said, so that the source quits, and they start afresh.
 */
export function settleNotArrived(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self, locals, syncedRevision } = building.state;
  for (const [vm, move] of inKeyOrder(view.moves)) {
    const { to, epoch, live, answer } = move.value;
    if (live?.kind !== "switched" || to !== self || epoch === null || answer.kind !== "open") continue;
    const run = { vm, incarnation, epoch: nextEpoch(epoch) };
    const local = locals.get(runKey(run));
    if (!isNamed(view, self, run) || (local !== undefined && local.phase !== "gone")) continue;
    if (building.busy(moveSubject(vm)) || building.busy(vm)) continue;
    const owner = view.owners.get(vm);
    // Whoever lets a guest go on has read the owner record first: an agent that knew nothing of it then did not.
    const neverRan = local === undefined ? (owner?.revision ?? 0) > syncedRevision : local.neverRan;
    const params = { vm: nameOf(view, vm), host: self };
    if (neverRan) giveBack(building, vm, incarnation);
    else failMove(building, move, "move-target-ended", params);
  }
}

function giveBack(building: Building, vm: VmId, incarnation: Incarnation): void {
  const { view } = building.happened;
  const failed = refuse("move-target-ended", { vm: nameOf(view, vm), host: building.state.self });
  const commit = giveBackTransaction(view, vm, { host: building.state.self, incarnation }, failed);
  if (commit.kind === "commit") building.commit(moveSubject(vm), commit.transaction, []);
}

/** What never ran is remembered as long as its move may still name it the VM's owner. */
export function isAwaitedByMove(building: Building, { run, neverRan }: Local): boolean {
  const move = building.happened.view.moves.get(run.vm)?.value;
  return neverRan && move?.to === building.state.self && move.epoch !== null && nextEpoch(move.epoch) === run.epoch;
}

/** A move that ended here without a record of it is written down; whatever has happened to it since stands. */
export function writeMoveEnds(building: Building): void {
  for (const [vm, { of, code, params }] of inKeyOrder(building.state.moveEnds)) {
    const move = building.happened.view.moves.get(vm);
    const isOpen = move?.revision === of && move.value.answer.kind === "open" && move.value.live?.kind !== "switched";
    if (isOpen) failMove(building, move, code, { ...params, vm: nameOf(building.happened.view, vm) });
    else {
      const moveEnds = new Map(building.state.moveEnds);
      moveEnds.delete(vm);
      building.state = { ...building.state, moveEnds };
    }
  }
}
