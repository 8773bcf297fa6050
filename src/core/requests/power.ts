import { valuesInKeyOrder } from "../../base/order.ts";
import type { IntentId, TaskId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmOrder } from "../../model/move-records.ts";
import { refuse } from "../../model/reason.ts";
import type { EventDraft, Intent, Task, Vm } from "../../model/records.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { stageOf } from "../moves.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { vmError } from "../vm-error.ts";
import { isRunning, vmState } from "../vm-state.ts";
import { findVm, hostName, refuseDisarmed } from "./find.ts";
import { forgive } from "./forgive.ts";
import type { Asked, Planned } from "./plan.ts";

/** Tasks of a VM that have not ended, oldest id first. */
export function openTasks(view: ClusterView, vm: VmId): Stored<Task>[] {
  return valuesInKeyOrder(view.tasks).filter(({ value }) => value.vm === vm && value.end === null);
}

/**
 * Wants the VM started. A person's order also forgives what failed before, and takes back a stop that was ordered and is
 * not done yet. A VM in error is not started: somebody has to take note of the error first.
 */
export function planStartVm(view: ClusterView, wanted: string, task: TaskId, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const disarmed = refuseDisarmed(view);
  if (disarmed !== undefined) return disarmed;
  if (vmError(view, vm.id) !== undefined) return refuse("vm-in-error", { vm: vm.name });
  if (vm.requested === "started" && isRunning(view, vm.id)) {
    const owner = view.owners.get(vm.id)?.value;
    return refuse("vm-already-running", { vm: vm.name, host: owner === undefined ? "" : hostName(view, owner.host) });
  }
  const forgiven = forgive(view, vm);
  const order = view.orders.get(vm.id);
  const also: Also =
    order?.value.order.kind !== "stop"
      ? forgiven
      : {
          compares: [...forgiven.compares, unchanged(keys.vmOrder(vm.id), order)],
          writes: [...forgiven.writes, remove(keys.vmOrder(vm.id))],
        };
  return planPower(view, found.stored, { kind: "start-vm", requested: "started", task }, also, asked);
}

/** Wants the VM stopped, within `graceMs` (0: without asking the guest), or within the VM's own grace. */
export function planStopVm(
  view: ClusterView,
  wanted: string,
  task: TaskId,
  asked: Asked,
  graceMs: number | undefined = undefined,
): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  if (vmError(view, vm.id) !== undefined) return refuse("vm-in-error", { vm: vm.name });
  const held = view.owners.get(vm.id)?.value.kind === "held";
  if (vm.requested !== "started" && !held) return refuse("vm-already-stopped", { vm: vm.name });
  const also = graceMs === undefined ? nothingElse : stopOrder(view, vm, graceMs, asked);
  return planPower(view, found.stored, { kind: "stop-vm", requested: "stopped", task }, also, asked);
}

type Also = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };
const nothingElse: Also = { compares: [], writes: [] };

/** A newer order replaces an older one: also a move that was ordered and has not begun. */
function stopOrder(view: ClusterView, vm: Vm, graceMs: number, asked: Asked): Also {
  const order: VmOrder = {
    schema: 1,
    vm: vm.id,
    order: { kind: "stop", graceMs },
    actor: asked.actor,
    at: asked.at,
  };
  return {
    compares: [unchanged(keys.vmOrder(vm.id), view.orders.get(vm.id))],
    writes: [put(keys.vmOrder(vm.id), order)],
  };
}

type PowerOrder = {
  readonly kind: "start-vm" | "stop-vm";
  readonly requested: "started" | "stopped";
  readonly task: TaskId;
};

function planPower(view: ClusterView, stored: Stored<Vm>, order: PowerOrder, also: Also, asked: Asked): Planned {
  const vm = stored.value;
  const compares = [unchanged(keys.vm(vm.id), stored)];
  const same = openTasks(view, vm.id).find(({ value }) => value.kind === order.kind);
  // The same order twice is one task: the second request follows the first one's.
  if (same !== undefined && vm.requested === order.requested) {
    const more = order.kind === "stop-vm" ? also : nothingElse;
    return {
      kind: "plan",
      transaction: transaction([...compares, unchanged(keys.task(same.value.id), same), ...more.compares], more.writes),
      outcome: { kind: "task", vm: vm.id, task: same.value.id },
      events: [],
    };
  }
  const task = newTask({ id: order.task, kind: order.kind, vm: vm.id }, asked);
  return {
    kind: "plan",
    transaction: transaction(
      [...compares, unchanged(keys.task(task.id), undefined), ...also.compares],
      [put(keys.vm(vm.id), { ...vm, requested: order.requested }), put(keys.task(task.id), task), ...also.writes],
    ),
    outcome: { kind: "task", vm: vm.id, task: task.id },
    events: [told(order.kind === "start-vm" ? "vm-start-requested" : "vm-stop-requested", vm, asked)],
  };
}

export function newTask(what: Pick<Task, "id" | "kind" | "vm"> & Partial<Task>, asked: Asked): Task {
  return { schema: 1, actor: asked.actor, percent: 0, end: null, to: null, at: asked.at, ...what };
}

/** Wants the reset button pressed: an intent for the agent that runs this epoch, and no other. */
export function planResetVm(view: ClusterView, wanted: string, intent: IntentId, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const owner = view.owners.get(vm.id);
  const move = view.moves.get(vm.id)?.value;
  if (move !== undefined && isBetweenHosts(view, move))
    return refuse("vm-between-hosts", { vm: vm.name, host: hostName(view, move.to) });
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

/** Its guest is being copied, or its target owns it and has not said yet that it goes on there: no agent can reset it (S15). */
function isBetweenHosts(view: ClusterView, move: VmMove): boolean {
  const stage = stageOf(view, move);
  if (stage === "waits") return move.live?.kind === "waiting";
  return stage === "switched" && vmState(view, move.vm, () => undefined) === "starting";
}

export function told(type: string, vm: Vm, asked: Asked): EventDraft {
  return { type, subjects: { vm: vm.id }, params: { vm: vm.name }, reason: null, alternatives: [], actor: asked.actor };
}
