import type { HostId, VmId } from "../model/ids.ts";
import { isBranch } from "../model/point-records.ts";
import type { Reason } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { pointsOf } from "./points.ts";
import { hostName, vmName } from "./requests/find.ts";

/**
 * S18: branches stay until somebody deletes them. For people, by host: what room they may take, and how it comes back. Each is an image of
 * all disks below the one that is written now, so that it may take as much as those.
 */
export function branchesKept(view: ClusterView, vm: VmId): readonly Reason[] {
  const disks = view.vms.get(vm)?.value.spec.disks ?? [];
  const sizeMiB = disks.reduce((sum, disk) => sum + disk.sizeMiB, 0);
  const byHost = new Map<HostId, { count: number; alone: number }>();
  for (const { value } of pointsOf(view, vm)) {
    if (!isBranch(value.origin)) continue;
    const { count, alone } = byHost.get(value.host) ?? { count: 0, alone: 0 };
    byHost.set(value.host, { count: count + 1, alone: alone + (value.origin === "branch-kept" ? 1 : 0) });
  }
  return [...byHost].sort().map(([host, { count, alone }]) => {
    const params = { vm: vmName(view, vm), host: hostName(view, host), count, alone, upToMiB: count * sizeMiB };
    return reason("S18", "branches-take-room", params);
  });
}
