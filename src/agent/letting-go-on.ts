import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { stillIn, transaction, unchanged } from "../core/transactions.ts";
import { later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Stored } from "../model/view.ts";
import { type Building, isNamed } from "./building.ts";
import { graceOf, recordError, whyEnding } from "./ending.ts";
import { beginStep, failMove, kill, moveSubject, nameOf } from "./move-parts.ts";
import { withMoving } from "./note-moves.ts";
import { type Local, type Moving, runKey } from "./state.ts";

// A guest whose move is off goes on at its source (S15), where its QEMU answers; and what becomes of one whose QEMU does not.

export function letGoOn(building: Building, local: Local, moving: Moving): void {
  if (moving.unanswered === null && !isHostFrozen(building))
    change(building, local, { unanswered: { since: building.happened.now, cause: "" } });
  beginStep(building, "cancel-out", local.run);
}

/** What was copied was copied for another move: first it goes on. The one that is asked for now does not wait for that for ever. */
export function letGoOnBefore(building: Building, local: Local, moving: Moving, move: Stored<VmMove>): void {
  const { view } = building.happened;
  const { vm } = local.run;
  const ending = whyEnding(view, vm, building.state.self);
  const params = { vm: nameOf(view, vm), host: building.state.self };
  if (moving.tries > 0 && ending !== undefined && ending !== "moved")
    failMove(building, move, "move-not-wanted", params);
  else if (moving.tries > 0 && isSilentFor(building, moving, limits.moveUnansweredToldMs))
    failMove(building, move, "vm-unresponsive", params);
  else letGoOn(building, local, moving);
}

/**
 * Of a guest that is to be let go on and says nothing: told once. True: it is ended, where it is to end here anyway. Nothing was handed
 * over, and no more can be: the owner record names this run, and the move is over on record, which every hand-over compares. Nobody waits
 * for an answer of a QEMU that gives none, frozen ones excepted: these go on with their host.
 */
export function endUnanswered(building: Building, local: Local, moving: Moving): boolean {
  const { view } = building.happened;
  const { self } = building.state;
  const { vm } = local.run;
  if (moving.unanswered === null) return false;
  if (isHostFrozen(building)) {
    change(building, local, { unanswered: null });
    return false;
  }
  const ending = whyEnding(view, vm, self);
  const waitMs = Math.max(limits.moveUnansweredMs, graceOf(building, local));
  const isDue = moving.stands !== null || isSilentFor(building, moving, waitMs);
  const isFree = !building.busy(vm) && !building.busy(moveSubject(vm));
  if (ending !== undefined && ending !== "moved" && isDue && isFree && isNamed(view, self, local.run)) {
    if (local.stopsFailed > 0) recordError(building, local);
    kill(building, local);
    return true;
  }
  const isToTell = moving.stands === null && !moving.silenceTold;
  if (isToTell && isSilentFor(building, moving, limits.moveUnansweredToldMs)) tell(building, local, moving);
  return false;
}

function tell(building: Building, local: Local, { unanswered }: Moving): void {
  const { view } = building.happened;
  const { self } = building.state;
  const { vm } = local.run;
  const registration = view.hosts.get(self);
  if (registration === undefined) return;
  const seconds = limits.moveUnansweredToldMs / 1_000;
  const params = { vm: nameOf(view, vm), host: self, seconds, detail: unanswered?.cause ?? "" };
  const told = event("guest-not-let-go-on", { vm, host: self }, params);
  const compares = [unchanged(keys.owner(vm), view.owners.get(vm)), ...stillIn(self, registration)];
  building.commit(`silent ${vm}`, transaction(compares, []), [told]);
  change(building, local, { silenceTold: true });
}

/** What there is of it may have changed in this very step. */
function change(building: Building, { run }: Local, moving: Partial<Moving>): void {
  const local = building.state.locals.get(runKey(run));
  if (local?.moving != null) building.state = withMoving(building.state, local, moving);
}

function isHostFrozen({ state: { heart } }: Building): boolean {
  return heart === "lost" || heart.frozen;
}

function isSilentFor({ happened: { now } }: Building, { unanswered }: Moving, ms: number): boolean {
  return unanswered !== null && now >= later(unanswered.since, ms);
}
