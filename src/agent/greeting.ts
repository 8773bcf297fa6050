import { inKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { confirmCopies } from "../core/local-copies.ts";
import { transaction, unchanged } from "../core/transactions.ts";
import { type InstantMs, later, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { EventDraft } from "../model/records.ts";
import type { GuestHealth } from "../ports/migration.ts";
import { type Building, isNamed } from "./building.ts";
import { beginStep, nameOf } from "./move-parts.ts";
import { type Arrival, runKey, type Silence } from "./state.ts";

/** Looks at guests that have arrived, and tells where one is not well; that it has arrived goes with its status. */
export function greetArrivals(building: Building): void {
  for (const [vm, arrival] of inKeyOrder(building.state.arrivals)) {
    const { run, health } = arrival;
    const isHere = building.state.locals.get(runKey(run))?.phase === "running";
    if (!isHere || !isNamed(building.happened.view, building.state.self, run)) note(building, vm, undefined);
    else if (health === null) ask(building, arrival);
    else if (!building.busy(`arrived ${vm}`)) greet(building, vm, arrival, health);
  }
}

function ask(building: Building, { run, silence }: Arrival): void {
  if (silence !== null && building.happened.now < silence.askAt) {
    building.wakeAt(silence.askAt);
    return;
  }
  const isAsked = ({ kind, runKey: of }: { kind: string; runKey: string }) => kind === "check" && of === runKey(run);
  if (![...building.state.ops.values()].some(isAsked)) beginStep(building, "check", run);
}

function greet(building: Building, vm: VmId, arrival: Arrival, health: GuestHealth): void {
  const { view, now, wall } = building.happened;
  const silence = silenceOf(arrival, health, now);
  const told = toldOf(building, arrival, health, silence);
  // What was left at its source waits for no agent in the guest.
  const copies = health.executes ? confirmCopies(view, vm, wall) : { compares: [], writes: [] };
  const compares = [unchanged(keys.owner(vm), view.owners.get(vm)), ...copies.compares];
  if (told.length > 0 || copies.writes.length > 0)
    building.commit(`arrived ${vm}`, transaction(compares, copies.writes), told);
  const goesOn = silence !== null && now < later(silence.since, limits.guestWatchMs);
  note(building, vm, goesOn ? { ...arrival, health: null, told: true, silence } : undefined);
  if (goesOn) building.wakeAt(silence.askAt);
}

/**
 * A guest that just came in has much to catch up with, on a busy host for seconds: it is asked again before anybody is told that its
 * agent does not answer, and for a while after that, so that it can be told when it does.
 */
function silenceOf(arrival: Arrival, health: GuestHealth, now: InstantMs): Silence | null {
  const { told: isKnown, silence: before } = arrival;
  if (!health.executes || health.agent !== "silent" || (isKnown && before === null)) return null;
  const since = before?.since ?? now;
  const isTold = now >= later(since, limits.guestSilentMs);
  return { since, isTold, askAt: later(now, isTold ? limits.guestAskLateMs : limits.guestAskMs) };
}

function toldOf(
  building: Building,
  { run, told: isKnown, silence: before }: Arrival,
  health: GuestHealth,
  silence: Silence | null,
): readonly EventDraft[] {
  const { self } = building.state;
  const { vm, epoch } = run;
  const params = { vm: nameOf(building.happened.view, vm), host: self, epoch };
  const tell = (type: string): readonly EventDraft[] => [event(type, { vm, host: self }, params)];
  if (!isKnown && !health.executes) return tell("guest-stands-after-move");
  if (silence?.isTold === true && before?.isTold !== true) return tell("guest-agent-silent");
  if (before?.isTold === true && health.agent === "answers") return tell("guest-agent-answers");
  return [];
}

/** Undefined: it is looked at no more. */
function note(building: Building, vm: VmId, arrival: Arrival | undefined): void {
  const arrivals = new Map(building.state.arrivals);
  if (arrival === undefined) arrivals.delete(vm);
  else arrivals.set(vm, arrival);
  building.state = { ...building.state, arrivals };
}
