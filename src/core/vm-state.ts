import type { VmId } from "../model/ids.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { vmError } from "./vm-error.ts";

/** What a VM is doing, as far as the records say. For people and for the checks of requests: never a ground for a start. */
export type VmState =
  | "stopped"
  | "waiting"
  | "starting"
  | "running"
  | "paused"
  | "stopping"
  | "failed"
  | "lost"
  | "recovering";

/** `silent`: the hosts that have not been heard for several heartbeats: whether their VMs run is not known. */
export function vmState(view: ClusterView, id: VmId, silent: ReadonlySet<string>): VmState {
  const vm = view.vms.get(id)?.value;
  const wanted = vm?.requested === "started";
  const owner = view.owners.get(id)?.value;
  if (owner === undefined || owner.kind === "released") {
    if (vmError(view, id) !== undefined) return "failed";
    if (wanted) return "waiting";
    return owner === undefined || owner.failed === null ? "stopped" : "failed";
  }
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined) return "recovering";
  if (silent.has(owner.host)) return "lost";
  const status = view.statuses.get(id)?.value;
  const current =
    status !== undefined &&
    status.host === owner.host &&
    status.incarnation === owner.incarnation &&
    status.epoch === owner.epoch;
  return current ? status.phase : "starting";
}

/** Its holder's agent last saw this very epoch run. A holder that is lost saw it, too. */
export function runsAsOwned(view: ClusterView, id: VmId): boolean {
  const owner = view.owners.get(id)?.value;
  const status = view.statuses.get(id)?.value;
  return owner?.kind === "held" && status?.epoch === owner.epoch && status.phase === "running";
}

/** The owner's agent last saw it run. */
export function isRunning(view: ClusterView, id: VmId): boolean {
  return vmState(view, id, new Set()) === "running";
}
