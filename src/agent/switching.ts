import { isInSync } from "../core/switchover.ts";
import { liesOn } from "../core/volume-place.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { failMove, nameOf } from "./move-parts.ts";
import { isReplicaWorking, withMirror } from "./note-replicas.ts";
import { hasCeased } from "./receiving.ts";
import type { Mirror } from "./replica-state.ts";
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

function mirrorOf({ state }: Building, run: VmRun): Mirror | undefined {
  return state.replicas.mirrors.get(runKey(run));
}
