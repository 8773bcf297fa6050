import type { HostId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { FenceRecord } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";

/**
 * A host that left in order writes its own fence, with nothing but its last word. One whose earlier life ended in silence
 * is fenced by its next one, which says so (S9).
 */
export function leftInOrder(fence: FenceRecord): boolean {
  return fence.cause === "self" && !fence.proofs.includes("silence");
}

/** VMs that are wanted leave the host and come back later: a person asked for peace, or it waits to be empty (HM3, HM4). */
export function whyVmsLeave(view: ClusterView, host: HostId): Reason | undefined {
  if (view.maintenances.has(host)) return { rule: "HM3", code: "host-in-maintenance", params: { host } };
  const mode = view.modes.get(host)?.value;
  return mode?.mode === "leaving" ? { rule: "HM4", code: "host-is-leaving", params: { host } } : undefined;
}

/** It stops its VMs and lets them go: they start elsewhere at once (HM4). */
export function givesItsVmsUp(view: ClusterView, host: HostId): boolean {
  return view.modes.get(host)?.value.mode === "shutdown";
}

/**
 * VMs wait for the host: it said that it, or its agent, is back soon (HM4). One that was lost instead is waited for by
 * nobody.
 */
export function isAwaited(view: ClusterView, host: HostId): boolean {
  const mode = view.modes.get(host)?.value;
  if (mode?.mode !== "restart") return false;
  const fence = fenceOf(view, host, mode.incarnation)?.value;
  return fence === undefined || leftInOrder(fence);
}
