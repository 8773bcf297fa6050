import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { refuse } from "../../model/reason.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { stageOf } from "../moves.ts";
import { sealsLast } from "../replication-cycles.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { findVm, hostName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import { told } from "./power.ts";

/**
 * Calls a move off: an order that waits is taken back, and a guest that is being copied goes on where it is. Refused once
 * the VM has changed hands (S15), and where it was stopped for its move already. One that still runs while most of what its copy
 * lacks is sent was not (S25).
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
  const isHeldUp = isOpen && waitsForCopies(view, move.value);
  if (!isOrdered && move?.value.live === undefined && !isHeldUp) return refuse("move-stops-already", { vm: vm.name });
  const compares: Compare[] = [unchanged(keys.vm(vm.id), found.stored)];
  const writes: Write[] = [];
  if (isOrdered) {
    compares.push(unchanged(keys.vmOrder(vm.id), order));
    writes.push(remove(keys.vmOrder(vm.id)));
  }
  if (isOpen && (move.value.live !== undefined || isHeldUp)) {
    const answer = { kind: "failed" as const, code: "move-cancelled", params: { vm: vm.name } };
    compares.push(unchanged(keys.vmMove(vm.id), move));
    writes.push(put(keys.vmMove(vm.id), { ...move.value, answer } satisfies VmMove));
  }
  return {
    kind: "plan",
    transaction: transaction(compares, writes),
    outcome: { kind: "vm-changed", vm: vm.id, name: vm.name },
    events: [told("vm-move-cancel-requested", vm, asked)],
  };
}

function waitsForCopies(view: ClusterView, { vm, to }: VmMove): boolean {
  return view.statuses.get(vm)?.value.phase === "running" && sealsLast(view, vm, to);
}
