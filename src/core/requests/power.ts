import { valuesInKeyOrder } from "../../base/order.ts";
import type { IntentId, TaskId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { EventDraft, Intent, Owner, Task, Vm } from "../../model/records.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { isRunning } from "../vm-state.ts";
import { findVm, hostName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

/** Tasks of a VM that have not ended, oldest id first. */
export function openTasks(view: ClusterView, vm: VmId): Stored<Task>[] {
  return valuesInKeyOrder(view.tasks).filter(({ value }) => value.vm === vm && value.end === null);
}

/**
 * Wants the VM started. A person's order also forgives what failed before: the record of hosts where it failed is
 * emptied. That touches no epoch and only a released owner, so that it never permits a second copy (S14).
 */
export function planStartVm(view: ClusterView, wanted: string, task: TaskId, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  if (vm.requested === "started" && isRunning(view, vm.id)) {
    const owner = view.owners.get(vm.id)?.value;
    return refuse("vm-already-running", { vm: vm.name, host: owner === undefined ? "" : hostName(view, owner.host) });
  }
  return planPower(view, found.stored, { kind: "start-vm", requested: "started", task }, asked);
}

/** Wants the VM stopped. */
export function planStopVm(view: ClusterView, wanted: string, task: TaskId, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const held = view.owners.get(vm.id)?.value.kind === "held";
  if (vm.requested !== "started" && !held) return refuse("vm-already-stopped", { vm: vm.name });
  return planPower(view, found.stored, { kind: "stop-vm", requested: "stopped", task }, asked);
}

type PowerOrder = {
  readonly kind: "start-vm" | "stop-vm";
  readonly requested: "started" | "stopped";
  readonly task: TaskId;
};

function planPower(view: ClusterView, stored: Stored<Vm>, order: PowerOrder, asked: Asked): Planned {
  const vm = stored.value;
  const open = openTasks(view, vm.id);
  const same = open.find(({ value }) => value.kind === order.kind);
  const compares = [unchanged(keys.vm(vm.id), stored)];
  // The same order twice is one task: the second request follows the first one's.
  if (same !== undefined && vm.requested === order.requested) {
    return {
      kind: "plan",
      transaction: transaction([...compares, unchanged(keys.task(same.value.id), same)], []),
      outcome: { kind: "task", vm: vm.id, task: same.value.id },
      events: [],
    };
  }
  const task: Task = {
    schema: 1,
    id: order.task,
    actor: asked.actor,
    kind: order.kind,
    vm: vm.id,
    percent: 0,
    end: null,
    at: asked.at,
  };
  const wantedVm: Vm = { ...vm, requested: order.requested };
  const owner = view.owners.get(vm.id);
  const forgiven = order.kind === "start-vm" && owner !== undefined ? forgive(owner.value) : undefined;
  return {
    kind: "plan",
    transaction: transaction(
      [
        ...compares,
        unchanged(keys.task(task.id), undefined),
        ...(forgiven === undefined ? [] : [unchanged(keys.owner(vm.id), owner)]),
      ],
      [
        put(keys.vm(vm.id), wantedVm),
        put(keys.task(task.id), task),
        ...(forgiven === undefined ? [] : [put(keys.owner(vm.id), forgiven)]),
      ],
    ),
    outcome: { kind: "task", vm: vm.id, task: task.id },
    events: [told(order.kind === "start-vm" ? "vm-start-requested" : "vm-stop-requested", vm, asked)],
  };
}

function forgive(owner: Owner): Owner | undefined {
  if (owner.kind !== "released" || (owner.failed === null && owner.failedHosts.length === 0)) return undefined;
  return { ...owner, failed: null, failedHosts: [] };
}

/** Wants the reset button pressed: an intent for the agent that runs this epoch, and no other. */
export function planResetVm(view: ClusterView, wanted: string, intent: IntentId, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const owner = view.owners.get(vm.id);
  if (owner === undefined || owner.value.kind !== "held" || !isRunning(view, vm.id)) {
    return refuse("vm-not-running", { vm: vm.name });
  }
  const record: Intent = {
    schema: 1,
    id: intent,
    actor: asked.actor,
    kind: "reset-vm",
    vm: vm.id,
    epoch: owner.value.epoch,
    answer: { kind: "open" },
    at: asked.at,
  };
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(keys.intent(intent), undefined), unchanged(keys.owner(vm.id), owner)],
      [put(keys.intent(intent), record)],
    ),
    outcome: { kind: "intent", vm: vm.id, name: vm.name, intent },
    events: [told("vm-reset-requested", vm, asked)],
  };
}

export function told(type: string, vm: Vm, asked: Asked): EventDraft {
  return { type, subjects: { vm: vm.id }, params: { vm: vm.name }, reason: null, alternatives: [], actor: asked.actor };
}
