import type { HostId } from "../../model/ids.ts";
import type { FenceRecord } from "../../model/records.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";

/** How the manager sees a host. `silent`: nothing was heard of it lately. */
export function stateOfNode(view: ClusterView, host: HostId, silent: boolean): string {
  const registration = view.hosts.get(host)?.value;
  if (registration === undefined) return "unknown";
  const fence = fenceOf(view, host, registration.incarnation)?.value;
  const mode = view.modes.get(host)?.value;
  const leaves = mode?.mode === "leaving" && mode.incarnation === registration.incarnation;
  if (view.maintenances.has(host) || leaves) return "maintenance";
  if (fence !== undefined) return isProven(fence) ? "unknown" : "fence";
  return silent ? "unknown" : "online";
}

/** Whatever ran there is known to be gone, for every kind of pool. */
export function isProven({ device, proofs }: FenceRecord): boolean {
  if (proofs.includes("power-off") || proofs.includes("last-word")) return true;
  return device === "not-needed" && proofs.length > 0;
}
