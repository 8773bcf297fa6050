import type { HostId, WallMs } from "../model/ids.ts";
import type { Params, Reason } from "../model/reason.ts";
import type { Task, Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { vmError } from "./vm-error.ts";
import { runsAsOwned } from "./vm-state.ts";

/**
 * How an ordered move goes on, as the records tell: the order waits, a move to the wanted host is under way, the VM has
 * arrived there; or nothing of it is left, and it did not. Undefined: nothing new. Order, move and owner change in one
 * transaction each, so that no look finds a VM between two of them.
 */
export function progressOfMove(view: ClusterView, task: Task, vm: Vm, at: WallMs): Task | undefined {
  const to = task.to ?? ("" as HostId);
  const owner = view.owners.get(vm.id)?.value;
  const move = view.moves.get(vm.id)?.value;
  const order = view.orders.get(vm.id)?.value;
  const advanced = (percent: number) => (percent > task.percent ? { ...task, percent } : undefined);
  const failed = (code: string, params: Params): Task => ({
    ...task,
    end: { kind: "failed", code, params: { vm: vm.name, host: to, ...params }, at },
  });
  if (order?.at === task.at && order.actor.requestId === task.actor.requestId) return advanced(0);
  if (move?.to === to) {
    // One that failed is counted first: the plan then says why.
    return move.answer.kind === "open" ? advanced(owner?.kind === "released" ? 67 : 33) : undefined;
  }
  if (owner?.host === to) {
    const isAtRest = vm.requested !== "started" || runsAsOwned(view, vm.id);
    // Whoever ordered it on has seen it arrive.
    if (isAtRest || move !== undefined || order !== undefined) {
      return { ...task, percent: 100, end: { kind: "done", at } };
    }
    const error = vmError(view, vm.id);
    return error === undefined ? advanced(67) : failed(error.code, error.params);
  }
  if (order !== undefined || vm.requested === "ignored") return failed("superseded", {});
  const lastFailure = view.plans.get(vm.id)?.value.failedMoves ?? null;
  if (lastFailure?.to === to) {
    const { code, params } = lastFailure;
    // In its own words: they say what helps.
    return params === undefined ? failed("move-failed", { cause: code }) : failed(code, { ...params, vm: vm.name });
  }
  if (task.percent > 0 && owner !== undefined) return failed("move-ended-elsewhere", { found: owner.host });
  return failed("order-dropped", {});
}

/** Of an order that is dropped: in the same step, for once it is gone nobody knows why. */
export function endAsDropped(task: Task, vm: Vm, why: Reason, at: WallMs): Task {
  const params = { vm: vm.name, host: task.to ?? "" };
  return { ...task, end: { kind: "failed", code: "order-dropped", params, why, at } };
}
