import type { HostId, VmId } from "../model/ids.ts";
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
  | "frozen"
  | "unknown"
  | "recovering";

/**
 * What whoever answers knows of the processes of a host's VMs beyond the records. `silent`: it has not been heard for
 * several heartbeats. `unheard`: nobody is, the one who answers is deaf. `frozen`: its guards hold them (S2).
 */
export type HostSign = "silent" | "unheard" | "frozen" | undefined;

export function vmState(view: ClusterView, id: VmId, signOf: (host: HostId) => HostSign): VmState {
  const vm = view.vms.get(id)?.value;
  const wanted = vm?.requested === "started";
  const owner = view.owners.get(id)?.value;
  if (owner === undefined || owner.kind === "released") {
    if (vmError(view, id) !== undefined) return "failed";
    if (wanted) return "waiting";
    return owner === undefined || owner.failed === null ? "stopped" : "failed";
  }
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined) return "recovering";
  const sign = signOf(owner.host);
  if (sign === "frozen") return "frozen";
  if (sign === "silent") return "lost";
  if (sign === "unheard") return "unknown";
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
  return vmState(view, id, () => undefined) === "running";
}
