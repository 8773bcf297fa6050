import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { stageOf } from "../moves.ts";
import { remove, transaction, unchanged } from "../transactions.ts";
import { callOff, canBeCalledOff } from "./call-off.ts";
import { findVm, hostName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import { told } from "./power.ts";

/**
 * Calls a move off: an order that waits is taken back, and a guest that is being copied goes on where it is. Refused once
 * the VM has changed hands (S15), and where it was stopped for its move already.
 */
export function planCancelMove(view: ClusterView, wanted: string, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const order = view.orders.get(vm.id);
  const move = view.moves.get(vm.id);
  const stage = move === undefined ? "over" : stageOf(view, move.value);
  const isOrdered = order !== undefined && order.value.order.kind !== "stop";
  const isOpen = move !== undefined && stage === "waits";
  if (!isOrdered && !isOpen) {
    const params = { vm: vm.name, host: move === undefined ? "" : hostName(view, move.value.to) };
    return refuse(stage === "switched" ? "move-too-late-to-cancel" : "vm-not-moving", params);
  }
  const isOff = isOpen && canBeCalledOff(view, move);
  if (!isOrdered && !isOff) return refuse("move-stops-already", { vm: vm.name });
  const compares: Compare[] = [unchanged(keys.vm(vm.id), found.stored)];
  const writes: Write[] = [];
  if (isOrdered) {
    compares.push(unchanged(keys.vmOrder(vm.id), order));
    writes.push(remove(keys.vmOrder(vm.id)));
  }
  if (isOff) {
    const off = callOff(move, "move-cancelled", { vm: vm.name });
    compares.push(...off.compares);
    writes.push(...off.writes);
  }
  return {
    kind: "plan",
    transaction: transaction(compares, writes),
    outcome: { kind: "vm-changed", vm: vm.id, name: vm.name },
    events: [told("vm-move-cancel-requested", vm, asked)],
  };
}
