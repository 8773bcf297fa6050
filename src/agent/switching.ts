import { limits } from "../core/limits.ts";
import { protectionOf } from "../core/replication-duty.ts";
import { isInSync } from "../core/switchover.ts";
import { liesOn } from "../core/volume-place.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { attachRequest } from "./mirror-request.ts";
import { failMove, nameOf } from "./move-parts.ts";
import { isReplicaWorking, triedKey, withMirror } from "./note-replicas.ts";
import { hasCeased } from "./receiving.ts";
import { type Mirror, newMirror } from "./replica-state.ts";
import { type Moving, runKey } from "./state.ts";

// A switchover at both ends: a live move of a guest whose disks are at the target already, as copies (S15).

/**
 * By the source. `behind`: the copies lack something, or may come to lack it: the guest stays. `waits`: what its relay does is
 * being found out, after an earlier agent.
 */
export function copiesStage(building: Building, run: VmRun, move: VmMove): "ready" | "waits" | "behind" {
  if (move.live?.onCopies !== true) return "ready";
  const mirror = mirrorOf(building, run);
  if (!isInSync(building.happened.view, run.vm, move.to) || mirror?.ended !== false) return "behind";
  if (mirror.told === "alone") return "behind";
  return mirror.told === "mirror" ? "ready" : "waits";
}

/** What was confirmed before says nothing of the moment at which the guest will stand still. */
export function forgetConfirmation(building: Building, run: VmRun): void {
  const mirror = mirrorOf(building, run);
  if (mirror !== undefined) building.state = withMirror(building.state, { ...mirror, confirmed: false, retryAt: null });
}

/**
 * By the source, once its guest stands still: QEMU and the relay have said since then that the copies have everything and that
 * nothing is under way to them. Where they say otherwise the move is over.
 */
export function isConfirmed(building: Building, run: VmRun, move: Stored<VmMove>): boolean {
  if (move.value.live?.onCopies !== true) return true;
  const mirror = mirrorOf(building, run);
  if (mirror?.confirmed === true) return true;
  const key = runKey(run);
  if (isReplicaWorking(building.state, key)) return false;
  const params = { vm: nameOf(building.happened.view, run.vm), host: move.value.to };
  if (mirror === undefined || mirror.retryAt !== null) failMove(building, move, "move-copy-behind", params);
  else building.effects.push({ kind: "confirm", op: building.op({ kind: "confirm", runKey: key }), run });
  return false;
}

/** By the source, after the owner record names the target: its QEMU lets go of images only once nothing mirrors them. */
export function hasLetGo(building: Building, run: VmRun): boolean {
  const key = runKey(run);
  const mirror = mirrorOf(building, run);
  if (mirror === undefined) return true;
  const { retryAt } = mirror;
  if (isReplicaWorking(building.state, key, "resync")) return false;
  if (retryAt !== null && building.happened.now < retryAt) building.wakeAt(retryAt);
  else building.effects.push({ kind: "detach", op: building.op({ kind: "detach", runKey: key }), run });
  return false;
}

/** By the target, which owns the VM: nothing of the source's can write the images any more that its guest goes on with (S19). */
export function hasTakenCopies(building: Building, run: VmRun, { part }: Moving): boolean {
  const { view } = building.happened;
  const move = view.moves.get(run.vm)?.value;
  const vm = view.vms.get(run.vm)?.value;
  // Where its source has quit before this was seen nobody can tell any more what kind of a move it was.
  const mayBe = move === undefined ? vm !== undefined && liesOn(view, vm) !== undefined : move.live?.onCopies === true;
  // Whoever let it go on before has asked then.
  return part === "arriving" || !mayBe || hasCeased(building, run);
}

/**
 * By the target, before it says that it waits: a relay for the way back, so that what its guest writes from its first
 * instruction on is noted. True: it is there, or cannot be had, and then everything is copied afterwards.
 */
export function hasPrepared(building: Building, run: VmRun, move: VmMove): boolean {
  const key = runKey(run);
  const { view } = building.happened;
  if (move.live?.onCopies !== true || isReplicaWorking(building.state, key)) return move.live?.onCopies !== true;
  const protection = protectionOf(view, run.vm);
  if (mirrorOf(building, run) !== undefined || building.state.replicas.retries.has(key)) return true;
  if (protection === undefined) return true;
  const op = building.op({ kind: "attach", runKey: key });
  building.state = withMirror(building.state, newMirror(run, "attaching", null));
  const request = { ...attachRequest(view, run.vm, protection.group, move.from, []), isEqual: true };
  building.effects.push({ kind: "attach", op, run, request });
  return false;
}

/** By the target, after it has taken the copies: before its guest goes on. True: it may, whatever came of it. */
export function hasBegun(building: Building, run: VmRun, { part }: Moving): boolean {
  const mirror = mirrorOf(building, run);
  const key = runKey(run);
  if (part === "arriving" || mirror === undefined || mirror.begun) return true;
  if (isReplicaWorking(building.state, key)) return false;
  const limitMs = building.happened.view.moves.has(run.vm) ? limits.moveCompleteMs : limits.moveCompleteLateMs;
  building.effects.push({ kind: "begin", op: building.op({ kind: "begin", runKey: key }), run, limitMs });
  return false;
}

/** It was waited for as long as it is worth: what has not come in by now does not come. */
export function wasAwaited({ state }: Building, run: VmRun): boolean {
  const key = runKey(run);
  return state.replicas.retries.has(triedKey(key)) || state.replicas.mirrors.get(key)?.begun === true;
}

function mirrorOf({ state }: Building, run: VmRun): Mirror | undefined {
  return state.replicas.mirrors.get(runKey(run));
}
