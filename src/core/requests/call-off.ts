import { valuesInKeyOrder } from "../../base/order.ts";
import type { HostId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Params } from "../../model/reason.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { stageOf } from "../moves.ts";
import { sealsLast } from "../replication-cycles.ts";
import { put, unchanged } from "../transactions.ts";

type Change = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };

/**
 * Whether the move can be called off: its guest still runs, and the VM has not changed hands (S15). One whose guest goes on
 * while most of what its copy lacks is sent was not stopped yet (S25).
 */
export function canBeCalledOff(view: ClusterView, { value: move }: Stored<VmMove>): boolean {
  if (stageOf(view, move) !== "waits") return false;
  return move.live !== undefined || waitsForCopies(view, move);
}

/** Part of a transaction that a hand-over which comes first makes fail, and that makes one which comes later fail (S15). */
export function callOff(move: Stored<VmMove>, code: string, params: Params): Change {
  const key = keys.vmMove(move.value.vm);
  const answer = { kind: "failed" as const, code, params: { ...params } };
  return { compares: [unchanged(key, move)], writes: [put(key, { ...move.value, answer } satisfies VmMove)] };
}

/** Moves that empty the host for its maintenance, and can still be called off. */
export function movesForMaintenance(view: ClusterView, host: HostId): Stored<VmMove>[] {
  return valuesInKeyOrder(view.moves).filter((move) => {
    const { from, reason, answer } = move.value;
    const isMeant = from === host && reason.code === "host-in-maintenance" && answer.kind === "open";
    return isMeant && canBeCalledOff(view, move);
  });
}

function waitsForCopies(view: ClusterView, { vm, to }: VmMove): boolean {
  return view.statuses.get(vm)?.value.phase === "running" && sealsLast(view, vm, to);
}
