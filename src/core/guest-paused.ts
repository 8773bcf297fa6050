import type { VmId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";

// A guest that stands still cannot go on elsewhere as it is: to move it is to end it (HM1).

/**
 * What a guest that stands still waits for, as its host says; none is named where an agent that has just come up is still
 * looking. Undefined: it executes, or nobody runs it.
 */
export function pausesOf(view: ClusterView, vm: VmId): readonly string[] | undefined {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind !== "held" || fenceOf(view, owner.host, owner.incarnation) !== undefined) return undefined;
  const status = view.statuses.get(vm)?.value;
  return status?.epoch === owner.epoch && status.phase === "paused" ? status.pausedBy : undefined;
}

/** Why it is not moved unless somebody wants it stopped; undefined: its guest executes, or it is not known yet what keeps it. */
export function whyPaused(view: ClusterView, vm: Vm): Reason | undefined {
  const by = pausesOf(view, vm.id);
  const host = view.owners.get(vm.id)?.value.host;
  if (by === undefined || by.length === 0 || host === undefined) return undefined;
  return { rule: "HM1", code: "guest-is-paused", params: { vm: vm.name, host, by: by.join(", ") } };
}
