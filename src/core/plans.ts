import type { HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmPlan } from "../model/move-records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import { whyVmsLeave } from "./host-standing.ts";
import { put, remove, unchanged } from "./transactions.ts";

type Remembered = Pick<VmPlan, "error" | "returnTo" | "failedMoves">;
export type PlanChange = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };

const nothing: VmPlan = { schema: 1, error: null, returnTo: null, failedMoves: null };

export const noChange: PlanChange = { compares: [], writes: [] };

/** Part of a transaction that changes what is remembered of a VM; a plan that remembers nothing is not kept. */
export function planChange(view: ClusterView, id: VmId, change: Partial<Remembered>): PlanChange {
  const before = view.plans.get(id);
  const was = before?.value ?? nothing;
  const next: VmPlan = { ...was, ...change };
  const isSame = next.error === was.error && next.returnTo === was.returnTo && next.failedMoves === was.failedMoves;
  if (isSame) return noChange;
  const key = keys.vmPlan(id);
  const isEmpty = next.error === null && next.returnTo === null && next.failedMoves === null;
  if (isEmpty && before === undefined) return noChange;
  return { compares: [unchanged(key, before)], writes: [isEmpty ? remove(key) : put(key, next)] };
}

/** Part of a change of the plan of a VM that is at `host`: where it was to go back to it has nothing to go back to any more (HM3). */
export function backAt(view: ClusterView, id: VmId, host: HostId): Pick<Remembered, "returnTo"> | Record<never, never> {
  const isBack = view.plans.get(id)?.value.returnTo === host && whyVmsLeave(view, host) === undefined;
  return isBack ? { returnTo: null } : {};
}
