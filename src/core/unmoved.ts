import type { VmId } from "../model/ids.ts";
import type { KeyName } from "../model/keys.ts";
import type { ClusterView } from "../model/view.ts";

/** What decides whether a VM stays, beside the standing of the hosts: where it would go is another question. */
const kinds: readonly KeyName["kind"][] = [
  ...(["rule", "member", "policy", "vm", "owner", "vm-move", "vm-plan"] as const),
  ...(["host", "host-facts", "host-mode", "maintenance", "host-losses", "fence"] as const),
];

const known = new WeakMap<ClusterView, { readonly stamp: string; readonly vms: Set<VmId> }>();

/**
 * VMs that were looked at and are to stay where they run, as long as nothing changes that this rests on; whoever finds one
 * adds it. `standing`: of each host, whether it is there and takes VMs.
 */
export function unmovedVms(view: ClusterView, standing: string): Set<VmId> {
  const stamp = [...kinds.map((kind) => view.changedAt.get(kind) ?? 0), standing].join();
  const before = known.get(view);
  if (before?.stamp === stamp) return before.vms;
  const vms = new Set<VmId>();
  known.set(view, { stamp, vms });
  return vms;
}
