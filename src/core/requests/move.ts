import type { TaskId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmOrder } from "../../model/move-records.ts";
import { refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { vmError } from "../vm-error.ts";
import { findHost, findVm, hostName, refuseDisarmed } from "./find.ts";
import { refuseReturn, refuseTarget } from "./move-target.ts";
import type { Asked, Planned } from "./plan.ts";
import { newTask, openTasks } from "./power.ts";
import type { Sight } from "./sight.ts";

export type MoveRequest = {
  readonly vm: string;
  readonly to: string;
  readonly kind: VmMove["kind"];
  /** Also to a host that its rules would have it leave at once. */
  readonly force?: boolean | undefined;
};

/**
 * Orders a VM to another host: recorded for the manager, which carries it out when the VM is at rest, or drops it and says
 * why. A newer order replaces an older one that is not carried out yet, and a move that stops the VM. A VM that never ran is to start there.
 */
export function planMoveVm(view: ClusterView, request: MoveRequest, task: TaskId, asked: Asked, sight: Sight): Planned {
  const found = findVm(view, request.vm);
  if (found.kind === "refused") return found;
  const target = findHost(view, request.to);
  if (target.kind === "refused") return target;
  const vm = found.stored.value;
  const { id: to, name: host } = target.stored.value;
  const disarmed = refuseDisarmed(view);
  if (disarmed !== undefined) return disarmed;
  if (vm.requested === "ignored") return refuse("move-of-ignored-vm", { vm: vm.name });
  if (vmError(view, vm.id) !== undefined) return refuse("vm-in-error", { vm: vm.name });
  if (vm.lock !== null) return refuse("move-of-locked-vm", { vm: vm.name, lock: vm.lock.kind });
  const order = view.orders.get(vm.id);
  const move = view.moves.get(vm.id);
  // What runs and is on its way arrives, or is called off: one thing after the other.
  if (move?.value.live !== undefined && move.value.answer.kind === "open")
    return refuse("move-under-way", { vm: vm.name });
  const goesElsewhere = order !== undefined || (move !== undefined && move.value.answer.kind === "open");
  if (view.owners.get(vm.id)?.value.host === to && !goesElsewhere) {
    return refuse("move-already-there", { vm: vm.name, host });
  }
  const unfit =
    refuseTarget(view, { vm, kind: request.kind }, target.stored.value, sight, asked.at) ??
    (request.force === true ? undefined : refuseReturn(view, vm, target.stored.value, sight, asked.at));
  if (unfit !== undefined) return unfit;
  const outcome = (id: TaskId) => ({ kind: "task" as const, vm: vm.id, task: id });
  const compares = [
    unchanged(keys.vm(vm.id), found.stored),
    unchanged(keys.vmOrder(vm.id), order),
    unchanged(keys.disarm, undefined),
    unchanged(keys.maintenance(to), undefined),
  ];
  const same = openTasks(view, vm.id).find(({ value }) => value.kind === "move-vm" && value.to === to);
  const standing = order?.value.order;
  // The same order twice is one task: the second request follows the first one's.
  if (same !== undefined && standing?.kind === request.kind && standing.to === to) {
    const follows = [...compares, unchanged(keys.task(same.value.id), same)];
    return { kind: "plan", transaction: transaction(follows, []), outcome: outcome(same.value.id), events: [] };
  }
  const record: VmOrder = {
    schema: 1,
    vm: vm.id,
    order: { kind: request.kind, to },
    actor: asked.actor,
    at: asked.at,
  };
  return {
    kind: "plan",
    transaction: transaction(
      [...compares, unchanged(keys.task(task), undefined)],
      [
        put(keys.vmOrder(vm.id), record),
        put(keys.task(task), newTask({ id: task, kind: "move-vm", vm: vm.id, to }, asked)),
      ],
    ),
    outcome: outcome(task),
    events: [
      {
        type: "vm-move-requested",
        subjects: { vm: vm.id, host: to },
        params: { vm: vm.name, how: request.kind, to: hostName(view, to) },
        reason: null,
        alternatives: [],
        actor: asked.actor,
      },
    ],
  };
}
