import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy, type Policy } from "../model/policy.ts";
import type { Params } from "../model/reason.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { MovePart, VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { withLocal } from "./locals.ts";
import { type Local, type MoveOp, runKey } from "./state.ts";

// What both ends of a live move need.

/** The move is over, and every transaction that would have handed the VM over is refused from now on. */
export function failMove(building: Building, move: Stored<VmMove>, code: string, params: Params): void {
  const { view } = building.happened;
  const { vm } = move.value;
  const registration = view.hosts.get(building.state.self);
  if (registration === undefined || building.busy(moveSubject(vm))) return;
  const next: VmMove = { ...move.value, answer: { kind: "failed", code, params: { ...params } } };
  const key = keys.vmMove(vm);
  const compares = [unchanged(key, move), ...stillIn(building.state.self, registration)];
  building.commit(moveSubject(vm), transaction(compares, [put(key, next)]), []);
}

export function moveSubject(vm: VmId): string {
  return `move ${vm}`;
}

export function nameOf(view: ClusterView, vm: VmId): string {
  return view.vms.get(vm)?.value.name ?? vm;
}

export function beginStep(
  building: Building,
  kind: Exclude<MoveOp, "prepare" | "migrate-out" | "complete">,
  run: VmRun,
) {
  const op = building.op({ kind, runKey: runKey(run) });
  building.effects.push({ kind, op, run });
}

export function kill(building: Building, local: Local): void {
  const op = building.op({ kind: "kill", runKey: runKey(local.run) });
  building.state = withLocal(building.state, { ...local, phase: "killing" });
  building.effects.push({ kind: "kill", op, run: local.run });
}

export function migrationPolicy(view: ClusterView): Policy["migration"] {
  return (view.policy?.value ?? defaultPolicy).migration;
}

export function movesMax(view: ClusterView): number {
  return (view.policy?.value ?? defaultPolicy).movesPerHostMax;
}

/** Not known to execute here yet. */
export function comesIn(part: MovePart): boolean {
  return part === "incoming" || part === "arriving";
}

/** Guests that leave this host, or come to it, at this moment. */
export function movesHere({ state }: Building, way: "in" | "out"): number {
  let count = 0;
  for (const { moving, phase } of state.locals.values()) {
    if (phase === "moving" && moving !== null && comesIn(moving.part) === (way === "in")) count += 1;
  }
  return count;
}
