import { inKeyOrder, valuesInKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { type LastMoment, lacksRoomBeside, lastToKeep } from "../core/last-moments.ts";
import { reason } from "../core/placement/fitness.ts";
import { isScheduleDue, takenTransaction, vmAsNow } from "../core/points.ts";
import { copiesState, doorsTo, isWorking, protectionOf } from "../core/replication-duty.ts";
import { transaction, unchanged } from "../core/transactions.ts";
import { type HostId, type Incarnation, type InstantMs, later, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Consistency, isBranch, type Point, type PointOrigin } from "../model/point-records.ts";
import type { HeldOwner, PointIntent } from "../model/records.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Door } from "../ports/migration.ts";
import { noteOf } from "./alone.ts";
import { type Building, isNamed } from "./building.ts";
import { nameOf } from "./move-parts.ts";
import { isPointWorking, withAnswer, withPoints } from "./note-points.ts";
import { openWishes, refuseWish } from "./point-wishes.ts";
import { runKey } from "./state.ts";

// The host whose VMs are copied has recovery points taken where the copies are (S20).

export function settleTaking(building: Building, incarnation: Incarnation): void {
  recordTaken(building, incarnation);
  for (const wish of openWishes(building, "take")) {
    const local = [...building.state.locals.values()].find(({ run }) => {
      return run.vm === wish.vm && run.epoch === wish.wish.epoch && run.incarnation === incarnation;
    });
    if (local === undefined)
      refuseWish(building, wish, "vm-not-running", { vm: nameOf(building.happened.view, wish.vm) });
    else takeByHand(building, local.run, wish, wish.wish.consistency);
  }
  for (const { run, phase } of valuesInKeyOrder(building.state.locals)) {
    if (phase !== "running" || run.incarnation !== incarnation) continue;
    if (isNamed(building.happened.view, building.state.self, run)) takeInTime(building, run);
  }
}

/** A clock that is a little ahead is no reason to wait for another interval. */
const slackOf = 0.9;

type Ground = { readonly to: HostId; readonly doors: readonly Door[] } | { readonly code: string };

/** Where a point of this run could be taken now; `code`: why it cannot. */
function groundOf({ state, happened }: Building, run: VmRun): Ground {
  const { view } = happened;
  const protection = protectionOf(view, run.vm);
  if (protection === undefined || !isNamed(view, state.self, run)) return { code: "point-not-protected" };
  if (protection.group.mode.kind !== "synchronous") return { code: "point-in-cycles" };
  if (!isWorking(view, protection.group)) return { code: "point-group-paused" };
  const doors = doorsTo(view, run.vm, run, protection.to);
  const mirror = state.replicas.mirrors.get(runKey(run));
  const isWhole = copiesState(view, run.vm, run, protection.to) === "in-sync";
  // S23: what went on by a note of this host lacks what the records still call there; its next relay knows nothing of that.
  const isAlone = mirror?.told === "alone" || noteOf(state, run) !== undefined;
  if (doors === undefined || mirror === undefined || mirror.waits || mirror.ended || !isWhole || isAlone)
    return { code: "point-not-in-sync" };
  return { to: protection.to, doors };
}

function takeByHand(building: Building, run: VmRun, wish: PointIntent, consistency: Consistency): void {
  if (isPointWorking(building.state, run.vm, ["take-point"]) || building.state.points.taken.has(run.vm)) return;
  if (building.happened.view.points.has(keys.point(run.vm, wish.id))) {
    // An earlier agent had it taken, and could not say so.
    building.state = withAnswer(building.state, wish.id, { kind: "done", at: building.happened.wall });
    return;
  }
  const ground = groundOf(building, run);
  if ("code" in ground) refuseWish(building, wish, ground.code, { vm: nameOf(building.happened.view, run.vm) });
  else take(building, run, ground, { origin: "hand", consistency, intent: wish.id });
}

function takeInTime(building: Building, run: VmRun): void {
  const { view, wall, now } = building.happened;
  const { state } = building;
  const group = protectionOf(view, run.vm)?.group;
  if (group === undefined || !isScheduleDue(view, group, run.vm, wall)) return;
  if (isPointWorking(state, run.vm, ["take-point"]) || state.points.taken.has(run.vm)) return;
  const notBefore = Math.max(state.points.retries.get(run.vm) ?? 0, state.points.dueAt.get(run.vm) ?? 0) as InstantMs;
  if (now < notBefore) {
    building.wakeAt(notBefore);
    return;
  }
  const ground = groundOf(building, run);
  if ("code" in ground) return;
  const everyMs = group.points?.everyMs ?? 0;
  const dueAt = new Map(state.points.dueAt).set(run.vm, later(now, everyMs * slackOf));
  building.state = withPoints(state, { dueAt });
  take(building, run, ground, { origin: "schedule", consistency: group.points?.consistency ?? "crash" });
}

type What = {
  readonly origin: Exclude<PointOrigin, "cycle">;
  readonly consistency: Consistency;
  readonly intent?: PointIntent["id"];
  readonly keeps?: string;
  readonly id?: string;
};

function take(building: Building, run: VmRun, ground: Extract<Ground, { to: HostId }>, what: What): void {
  const { wall, view } = building.happened;
  const { vm } = run;
  const vmAs = vmAsNow(view, vm);
  const { to, doors } = ground;
  const { origin, consistency, intent, keeps } = what;
  // No other point of this VM bears it: runs are told apart by their epochs, and one takes one after the other.
  // What one wish asks for is one point, however often it is begun.
  const id = intent ?? what.id ?? `e${run.epoch}-${wall}`;
  const draft: Point = {
    ...{ schema: 1, vm, id, host: to, at: wall, origin, consistency, sizeMiB: null, proof: null },
    ...(vmAs === undefined ? {} : { vmAs }),
  };
  const about = { vm, point: id, draft, ...(keeps === undefined ? {} : { keeps }) };
  const op = building.op({
    ...{ kind: "take-point", runKey: runKey(run), about },
    ...(intent === undefined ? {} : { intent }),
  });
  const request = { to, doors, tls: true, id, origin, consistency };
  building.effects.push({ kind: "take-point", op, run, request });
}

/**
 * S20: before the copies are written over, what they hold is made a point. True: it is one, or there is nothing of use. Asked
 * by whoever is about to record that they are being copied.
 */
export function isLastKept(building: Building, run: VmRun, to: HostId, doors: readonly Door[]): boolean {
  const { view, now } = building.happened;
  const { points } = building.state;
  const last = lastToKeep(view, run.vm, to);
  // S18: of what somebody had deleted only whether there is room as long as it is still there.
  if (last === undefined) return lacksRoomBeside(view, run.vm, to) === undefined;
  if (isOnRecord(view, run.vm, to, last) || points.kept.get(run.vm) === last.word) {
    // S18: whether there is room beside a branch is known once the branch is on record.
    if (last.origin !== "branch-kept") return true;
    return !points.taken.has(run.vm) && lacksRoomBeside(view, run.vm, to) === undefined;
  }
  tellUnkept(building, run.vm, to);
  if (isPointWorking(building.state, run.vm, ["take-point"])) return false;
  const retryAt = points.retries.get(run.vm);
  if (retryAt !== undefined && now < retryAt) building.wakeAt(retryAt);
  else {
    const named = last.id === undefined ? {} : { id: last.id };
    take(building, run, { to, doors }, { origin: last.origin, consistency: "crash", keeps: last.word, ...named });
  }
  return false;
}

/** By an earlier agent, too: nothing was written there since, as long as the copies are what was left. */
function isOnRecord(view: ClusterView, vm: VmId, to: HostId, { id }: LastMoment): boolean {
  return id !== undefined && view.points.get(keys.point(vm, id))?.value.host === to;
}

function tellUnkept(building: Building, vm: VmId, to: HostId): void {
  const { view } = building.happened;
  const detail = building.state.points.unkept.get(vm);
  const subject = `unkept ${vm}`;
  if (detail === undefined || detail === "" || building.busy(subject)) return;
  const told = event(
    "point-last-not-kept",
    { vm, host: building.state.self },
    { vm: nameOf(view, vm), host: to, detail },
  );
  building.state = withPoints(building.state, { unkept: new Map(building.state.points.unkept).set(vm, "") });
  building.commit(subject, transaction([unchanged(keys.owner(vm), view.owners.get(vm))], []), [told]);
}

/** What was kept before copies are written over is no point that anybody asked for. */
function wordFor({ origin }: Point): string {
  if (isBranch(origin)) return "point-branch-kept";
  return origin === "resync" ? "point-last-kept" : "point-taken";
}

function recordTaken(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self } = building.state;
  const registration = view.hosts.get(self);
  for (const [vm, point] of inKeyOrder(building.state.points.taken)) {
    const owner = view.owners.get(vm);
    const isMine = owner?.value.kind === "held" && owner.value.host === self && owner.value.incarnation === incarnation;
    if (view.points.has(keys.point(vm, point.id)) || !isMine || registration === undefined) {
      // On record; or its host finds it, and records it.
      const left = new Map(building.state.points.taken);
      left.delete(vm);
      building.state = withPoints(building.state, { taken: left });
    } else if (!building.busy(`taken ${vm}`)) {
      // What is fenced records nothing any more: its host finds the point.
      if (fenceOf(view, self, registration.value.incarnation) !== undefined) continue;
      const params = { vm: nameOf(view, vm), point: point.id, host: point.host, consistency: point.consistency };
      const { whyCrash } = point;
      const why = whyCrash === undefined ? null : reason("S20", whyCrash.code, { ...whyCrash.params, vm: params.vm });
      const told = event(wordFor(point), { vm, host: self }, params, why);
      building.commit(`taken ${vm}`, takenTransaction(point, owner as Stored<HeldOwner>, registration), [told]);
    }
  }
}
