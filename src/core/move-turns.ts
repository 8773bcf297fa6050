import { compareText } from "../base/order.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { isSaidToRun } from "./migration.ts";

/**
 * Guests that move while they run, each with its place in the queues of its hosts: 0 is under way or may begin, 1 the next. A host takes
 * part in `movesPerHostMax` of them at a time, as source and as target together. Both ends and whoever shows it find the same
 * from the same records: what has begun comes first, in the order in which it was recorded, then the oldest. So a later one
 * never takes the place of one that has begun, and of those that have begun the first always has its turn.
 */
export function moveTurns(view: ClusterView): ReadonlyMap<VmId, number> {
  const max = (view.policy?.value ?? defaultPolicy).movesPerHostMax;
  const turns = new Map<VmId, number>();
  const taken = new Map<HostId, number>();
  const queued = new Map<HostId, number>();
  const queuedOn = (host: HostId): number => queued.get(host) ?? 0;
  const takenOn = (host: HostId): number => taken.get(host) ?? 0;
  for (const { value: move } of inTheirOrder(view)) {
    if (takenOn(move.from) < max && takenOn(move.to) < max) {
      for (const host of [move.from, move.to]) taken.set(host, takenOn(host) + 1);
      turns.set(move.vm, 0);
    } else {
      const turn = Math.max(queuedOn(move.from), queuedOn(move.to)) + 1;
      for (const host of [move.from, move.to]) queued.set(host, turn);
      turns.set(move.vm, turn);
    }
  }
  return turns;
}

/** Live moves that go on, as they come to their turn. */
function inTheirOrder(view: ClusterView): Stored<VmMove>[] {
  const open = [...view.moves.values()].filter(({ value }) =>
    value.live?.kind === "switched" ? !isSaidToRun(view, value) : isOpen(value),
  );
  return open.sort(
    (a, b) => stageOf(a.value) - stageOf(b.value) || a.revision - b.revision || compareText(a.value.vm, b.value.vm),
  );
}

function isOpen({ live, answer }: VmMove): boolean {
  return live !== undefined && answer.kind === "open";
}

function stageOf({ live }: VmMove): number {
  switch (live?.kind) {
    case "switched":
      return 0;
    case "waiting":
      return 1;
    default:
      return 2;
  }
}
