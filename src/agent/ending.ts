import { event } from "../core/decision.ts";
import { isDisarmed } from "../core/disarmed.ts";
import { whyWithheld } from "../core/migration.ts";
import { isMovedAway } from "../core/moves.ts";
import { planChange } from "../core/plans.ts";
import { isToGoBack } from "../core/point-return.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { HostMode } from "../model/host-records.ts";
import type { HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Params } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import type { Building } from "./building.ts";
import { halt, takeToLast } from "./last-cycle.ts";
import { withLocal } from "./locals.ts";
import { type Local, runKey } from "./state.ts";

/** Why a VM that runs here is to end here. `leaves`: its host does, and does not wait for it to be moved. */
type Ending = "unwanted" | "moved" | "goes-back" | "leaves";

export function whyEnding(view: ClusterView, id: VmId, self: HostId): Ending | undefined {
  const requested = view.vms.get(id)?.value.requested;
  if (isMovedAway(view, id)) return "moved";
  if (isToGoBack(view, id) && !isDisarmed(view)) return "goes-back";
  const mode = modeOf(view, self);
  if (isLeft(view, self)) return "leaves";
  if (mode === "leaving" && (requested === "ignored" || isMoveGivenUp(view, id))) return "leaves";
  // Whatever is wanted, nothing is done about it while the cluster is disarmed (HM5).
  if (requested === "started" || requested === "ignored" || isDisarmed(view)) return undefined;
  return "unwanted";
}

/** The host goes down and waits for no move of its VMs. */
function isLeft(view: ClusterView, self: HostId): boolean {
  return ["shutdown", "restart"].includes(modeOf(view, self));
}

/** In this life of it the host only goes down from here on, in one way or another. */
export function isGoingDown(view: ClusterView, self: HostId): boolean {
  return modeOf(view, self) !== "active";
}

/** Nobody tries to move it away any more: a host that goes down stops it in order, and it starts elsewhere. */
function isMoveGivenUp(view: ClusterView, id: VmId): boolean {
  const { moveAttemptsMax } = view.policy?.value ?? defaultPolicy;
  return (view.plans.get(id)?.value.failedMoves?.count ?? 0) >= moveAttemptsMax;
}

/** What this life of the host is about to do to its VMs: only a machine that goes down does anything to them. */
function modeOf(view: ClusterView, self: HostId): HostMode["mode"] {
  const mode = view.modes.get(self)?.value;
  if (mode === undefined || mode.incarnation !== view.hosts.get(self)?.value.incarnation) return "active";
  return mode.next === "reboot" || mode.next === "power-off" ? mode.mode : "active";
}

/** Stops it. A stop that came to nothing is said where somebody waits for it; one that is still wanted is tried again. */
export function endRun(building: Building, local: Local, ending: Ending): void {
  const vm = building.happened.view.vms.get(local.run.vm)?.value;
  const withheld = vm === undefined || ending !== "moved" ? undefined : whyWithheld(vm);
  if (withheld !== undefined) {
    answerMove(building, local, withheld.code, withheld.params);
    return;
  }
  const params = { vm: nameOf(building.happened.view, local.run.vm), host: building.state.self };
  if (local.stopsFailed > 0 && ending === "moved") {
    answerMove(building, local, "vm-did-not-stop", params);
    return;
  }
  if (local.stopsFailed > 0) recordError(building, local);
  // Whoever wants it stopped, or goes down, waits for no copy.
  const goesOn = vm?.requested === "started" && !isLeft(building.happened.view, building.state.self);
  const how = ending === "moved" && goesOn ? takeToLast(building, local) : "no";
  if (how === "no") stop(building, local);
  else if (how === "halts") halt(building, local, graceOf(building, local));
  else if (how === "refused") answerMove(building, local, "move-copy-not-reached", params);
}

export function graceOf({ happened: { view } }: Building, { run: { vm } }: Local): number {
  const order = view.orders.get(vm)?.value.order;
  const ordered = order?.kind === "stop" ? order.graceMs : undefined;
  return ordered ?? view.vms.get(vm)?.value.stopGraceMs ?? 0;
}

function stop(building: Building, local: Local): void {
  const graceMs = graceOf(building, local);
  const op = building.op({ kind: "stop", runKey: runKey(local.run) });
  building.state = withLocal(building.state, { ...local, phase: "stopping" });
  building.effects.push({ kind: "stop", op, run: local.run, graceMs });
}

/** The VM stays where it is: whoever wanted it elsewhere decides anew. */
function answerMove(building: Building, { run }: Local, code: string, params: Params): void {
  const { view } = building.happened;
  const move = view.moves.get(run.vm);
  const registration = view.hosts.get(building.state.self);
  const subject = `move ${run.vm}`;
  if (move === undefined || registration === undefined || building.busy(subject)) return;
  const next: VmMove = { ...move.value, answer: { kind: "failed", code, params: { ...params } } };
  const key = keys.vmMove(run.vm);
  building.commit(
    subject,
    transaction([unchanged(key, move), ...stillIn(building.state.self, registration)], [put(key, next)]),
    [],
  );
}

/** A VM that cannot be stopped is in error until somebody disables it; the agent goes on trying (HM2). */
export function recordError(building: Building, { run }: Local): void {
  const { view, wall } = building.happened;
  const registration = view.hosts.get(building.state.self);
  const subject = `plan ${run.vm}`;
  const isTold = view.vms.get(run.vm)?.value.requested !== "stopped" || view.plans.get(run.vm)?.value.error != null;
  if (isTold || registration === undefined || building.busy(subject)) return;
  const params = { vm: nameOf(view, run.vm), host: building.state.self };
  const plan = planChange(view, run.vm, { error: { code: "vm-stop-failed", params, at: wall } });
  const compares = [
    unchanged(keys.owner(run.vm), view.owners.get(run.vm)),
    ...plan.compares,
    ...stillIn(building.state.self, registration),
  ];
  const told = event("vm-stop-failed", { vm: run.vm, host: building.state.self }, params);
  building.commit(subject, transaction(compares, plan.writes), [told]);
}

function nameOf(view: ClusterView, vm: VmId): string {
  return view.vms.get(vm)?.value.name ?? vm;
}
