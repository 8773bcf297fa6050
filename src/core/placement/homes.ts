import type { HostId, VmId } from "../../model/ids.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { ClusterView } from "../../model/view.ts";
import { derived } from "../derived.ts";
import { isDisarmed } from "../disarmed.ts";
import { vmError } from "../vm-error.ts";
import { vmIndex } from "../vm-index.ts";

/**
 * VMs that are wanted and lie somewhere, where nobody has given them a host yet: they start there unless something
 * speaks against it. What is placed beside them counts them as being there, whoever of them comes first in a round.
 */
export const startingAtHome = derived(
  ["vm", "owner", "vm-move", "vm-plan", "policy", "disarm"],
  (view: ClusterView) => {
    const homes = new Map<VmId, HostId>();
    // At a start they go to the best host, wherever they lie.
    if ((view.policy?.value ?? defaultPolicy).scheduler.rebalanceOnStart || isDisarmed(view)) return homes;
    for (const id of vmIndex(view).unsettled) {
      const owner = view.owners.get(id)?.value;
      if (owner === undefined || owner.kind !== "released" || owner.failedHosts.length > 0 || view.moves.has(id))
        continue;
      const vm = view.vms.get(id)?.value;
      if (vm?.requested !== "started" || vm.lock !== null || vmError(view, id) !== undefined) continue;
      homes.set(id, owner.host);
    }
    return homes;
  },
);
