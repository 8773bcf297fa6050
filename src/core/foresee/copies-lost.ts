import { compareText, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, WallMs } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Fix } from "../admission-fix.ts";
import { copyUnderWay } from "../copy-under-way.ts";
import { reason } from "../placement/fitness.ts";
import { policyLoss } from "../replication-cycles.ts";
import { isWorking, protectionOf } from "../replication-duty.ts";
import { foreseeTakeover } from "../takeover.ts";
import { runsOn } from "./hosts.ts";

/** VMs that run elsewhere, and go on without the copies that this host has of them (S16). */
export function withoutCopies(view: ClusterView, lost: HostId): readonly Reason[] {
  const names = valuesInKeyOrder(view.vms).flatMap(({ value: { id, name } }) => {
    const protection = protectionOf(view, id);
    const isCopied = protection?.to === lost && isWorking(view, protection.group);
    const runsElsewhere = (runsOn(view, id) ?? lost) !== lost;
    return isCopied && runsElsewhere ? [name] : [];
  });
  const vms = names.sort(compareText).join(", ");
  return names.length === 0 ? [] : [reason("S16", "forecast-without-copies", { host: lost, vms })];
}

/** With what its copy, as it is now, would have been taken by itself. Null: nothing about the copy alone. */
export function fixOfCopy(view: ClusterView, vm: Vm, lostAt: WallMs): Fix | null {
  const protection = protectionOf(view, vm.id);
  if (protection === undefined) return null;
  const { to: host, group } = protection;
  if (copyUnderWay(view, vm.id) === host) return reason("S17", "fix-copy-complete", { vm: vm.name, host });
  const loss = policyLoss(view, vm.id, lostAt);
  if (loss === undefined || loss.accepted !== undefined || group.mode.kind !== "asynchronous") return null;
  return reason("S25", "fix-allow-loss", { group: group.name, host, seconds: loss.seconds });
}

/** Of two hosts: the order by which the VM would start at the other one, which decides nothing by itself (S23). */
export function fixByTakeover(view: ClusterView, vm: Vm, lost: HostId): Fix | null {
  const [host, ...more] = [...view.members.keys()].filter((one) => one !== lost);
  if (host === undefined || more.length > 0) return null;
  const taken = foreseeTakeover(view, host, [lost]).find((one) => one.vm === vm.id);
  if (taken === undefined || taken.why !== null) return null;
  return reason("S23", "fix-takeover", { vm: vm.name, host, lost });
}
