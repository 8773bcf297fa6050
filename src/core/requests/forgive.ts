import { keys } from "../../model/keys.ts";
import type { VmPlan } from "../../model/move-records.ts";
import type { Owner, Vm } from "../../model/records.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, remove, unchanged } from "../transactions.ts";

export type Forgiven = { readonly compares: readonly Compare[]; readonly writes: readonly Write[] };

/**
 * Forgets that the VM was given up, its failed moves, and the hosts where it failed. Touches no epoch and only a released
 * owner, so that it never permits a second copy (S14). No writes: there was nothing to forgive.
 */
export function forgive(view: ClusterView, vm: Vm): Forgiven {
  const owner = view.owners.get(vm.id);
  const plan = view.plans.get(vm.id);
  const nextOwner = owner === undefined ? undefined : ownerWithoutFailures(owner.value);
  const nextPlan = plan === undefined ? undefined : planWithoutFailures(plan.value);
  return {
    compares: [
      ...(nextOwner === undefined ? [] : [unchanged(keys.owner(vm.id), owner)]),
      ...(nextPlan === undefined ? [] : [unchanged(keys.vmPlan(vm.id), plan)]),
    ],
    writes: [
      ...(nextOwner === undefined ? [] : [put(keys.owner(vm.id), nextOwner)]),
      ...(nextPlan === undefined ? [] : [planWrite(vm, nextPlan)]),
    ],
  };
}

function ownerWithoutFailures(owner: Owner): Owner | undefined {
  if (owner.kind !== "released" || (owner.failed === null && owner.failedHosts.length === 0)) return undefined;
  return { ...owner, failed: null, failedHosts: [] };
}

function planWithoutFailures(plan: VmPlan): VmPlan | undefined {
  if (plan.error === null && plan.failedMoves === null) return undefined;
  return { ...plan, error: null, failedMoves: null };
}

/** A plan that remembers nothing is not kept. */
function planWrite(vm: Vm, plan: VmPlan): Write {
  return plan.returnTo === null ? remove(keys.vmPlan(vm.id)) : put(keys.vmPlan(vm.id), plan);
}
