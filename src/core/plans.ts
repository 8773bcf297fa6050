import type { HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmPlan } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Vm } from "../model/records.ts";
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

/**
 * Part of a change of the plan of a VM that is at `host`: where it is back, or is not to go back any more, its way back is
 * forgotten with the record that says so (HM3). Not while its home is being left.
 */
export function backAt(
  view: ClusterView,
  vm: Pick<Vm, "id" | "failback">,
  host: HostId,
): Pick<Remembered, "returnTo"> | Record<never, never> {
  const to = view.plans.get(vm.id)?.value.returnTo ?? null;
  if (to === null || whyVmsLeave(view, to) !== undefined) return {};
  return to === host || !isToReturn(view, vm, to) ? { returnTo: null } : {};
}

function isToReturn(view: ClusterView, { failback }: Pick<Vm, "failback">, to: HostId): boolean {
  const { returnAfterMaintenance } = view.policy?.value ?? defaultPolicy;
  return view.members.has(to) && (returnAfterMaintenance === "always" || failback);
}
