import type { VmId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";

/** `at`: by the wall clock, null where only the owner record tells of it. */
export type VmError = { readonly code: string; readonly params: Params; readonly at: number | null };

/**
 * Why a VM is given up; undefined: it is not. Nothing is done about such a VM until somebody sets it to `disabled`, which
 * is the only way out. A VM that is disabled or ignored already is not in error, whatever the records still say.
 */
export function vmError(view: ClusterView, id: VmId): VmError | undefined {
  const vm = view.vms.get(id)?.value;
  if (vm === undefined || vm.requested === "disabled" || vm.requested === "ignored") return undefined;
  const planned = view.plans.get(id)?.value.error ?? null;
  if (planned !== null) return planned;
  const owner = view.owners.get(id)?.value;
  if (vm.requested !== "started" || owner?.kind !== "released" || owner.failedHosts.length <= vm.maxRelocate) {
    return undefined;
  }
  const params = { vm: vm.name, hosts: [...new Set(owner.failedHosts)].join(", "), exit: owner.failed ?? "unknown" };
  return { code: "vm-gave-up", params, at: null };
}
