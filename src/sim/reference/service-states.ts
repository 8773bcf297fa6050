import type { HostId, VmId } from "../../model/ids.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { isProven } from "./node-states.ts";

/** Where a service is, under the names that administrators of this field know. */
export type ServiceState = { readonly state: string; readonly host: HostId | null; readonly target: HostId | null };

/** The state of a managed VM as the records say; undefined where nobody manages it. */
export function stateOfService(view: ClusterView, id: VmId): ServiceState | undefined {
  const vm = view.vms.get(id)?.value;
  if (vm === undefined || vm.requested === "ignored") return undefined;
  const owner = view.owners.get(id)?.value;
  const host = owner?.host ?? null;
  const at = (state: string, target: HostId | null = null): ServiceState => ({ state, host, target });
  const wanted = vm.requested === "started";
  const plan = view.plans.get(id)?.value;
  if (plan?.error != null || (wanted && (owner?.failedHosts.length ?? 0) > vm.maxRelocate)) return at("error");
  if (owner?.kind === "held") {
    const fence = fenceOf(view, owner.host, owner.incarnation)?.value;
    if (fence !== undefined) return at(isProven(fence) ? "recovery" : "fence");
  }
  const move = view.moves.get(id)?.value;
  if (move?.answer.kind === "open") return at(move.kind, move.to);
  if (view.disarm?.value.mode === "freeze") return at("freeze");
  const mode = host === null ? undefined : view.modes.get(host)?.value;
  if (mode?.mode === "restart") return at("freeze");
  if (owner?.kind === "held") return at(wanted ? "started" : "request_stop");
  if (!wanted) return at("stopped");
  return at(mode?.mode === "shutdown" ? "recovery" : "request_start");
}
