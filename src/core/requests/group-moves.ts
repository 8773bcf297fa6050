import type { HostId, VmId } from "../../model/ids.ts";
import { type Reason, type Refusal, refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import { whyNotLiveTo } from "../cpu.ts";
import { reason } from "../placement/fitness.ts";
import { sealsLast } from "../replication-cycles.ts";
import { isWorking } from "../replication-duty.ts";
import { usability } from "../replication-usable.ts";
import { switchesOver } from "../switchover.ts";
import { findHost, hostName } from "./find.ts";
import { findGroup, vmsOf } from "./groups.ts";

/** `live`: as they run. `stopped`: each is stopped, and started from its copy, which has everything then. */
export type GroupMove = {
  readonly group: string;
  readonly to: string;
  readonly manner: "live" | "stopped";
  /** One of its VMs, by name or id; undefined: all of them. */
  readonly vm?: string | undefined;
};

/**
 * The VMs of a group that are not at `to` yet, each of which can go there now without losing a write. Refused as a whole where
 * one of them cannot: half a group on each host is nobody's wish, unless somebody names one VM of it.
 */
export function vmsToSwitch(
  view: ClusterView,
  { group, to, manner, vm: one }: GroupMove,
): { readonly kind: "vms"; readonly vms: readonly VmId[]; readonly to: HostId } | Refusal {
  const found = findGroup(view, group);
  if (found.kind === "refused") return found;
  const target = findHost(view, to);
  if (target.kind === "refused") return target;
  const { value } = found.stored;
  const { id: host, name } = target.stored.value;
  const ends = `${hostName(view, value.source)} and ${hostName(view, value.target)}`;
  if (host !== value.source && host !== value.target)
    return refuse("group-not-its-host", { group: value.name, host: name, hosts: ends });
  if (!isWorking(view, value)) return refuse("group-not-copying", { group: value.name });
  const chosen = vmsOf(view, value, one);
  if (chosen.kind === "refused") return chosen;
  const vms = chosen.vms.filter((vm) => view.owners.get(vm)?.value.host !== host);
  if (vms.length === 0) return refuse("group-already-there", { group: value.name, host: name });
  for (const id of vms) {
    const vm = view.vms.get(id)?.value;
    if (vm === undefined) return refuse("group-vm-gone", { group: value.name, vm: id });
    const runs = view.owners.get(id)?.value.kind === "held";
    // What runs and is copied in cycles gets a last one once it is stopped (S25), and lacks something as long as it runs.
    if (manner === "live" && runs && value.mode.kind === "asynchronous")
      return refuse("group-switch-in-cycles", { group: value.name, vm: vm.name, host: name });
    const processor = manner === "live" && runs ? whyNotLiveTo(view, vm, host) : undefined;
    if (processor !== undefined) return refuse(`move-${processor.code}`, { ...processor.params, vm: vm.name });
    const isWhole = usability(view, id, host).kind === "whole" || sealsLast(view, id, host);
    if (manner === "live" && runs ? !switchesOver(view, vm, host) : !isWhole)
      return refuse("group-switch-copy-behind", { group: value.name, vm: vm.name, host: name });
  }
  return { kind: "vms", vms, to: host };
}

/**
 * What the person who orders it has to know of the time after it: what a guest leaves as it runs is a copy that was left behind, and
 * a group that is resumed by hand only brings none of those up to date by itself.
 */
export function afterSwitch(view: ClusterView, { group: wanted, manner }: GroupMove, vms: readonly VmId[]): Reason[] {
  const found = findGroup(view, wanted);
  if (found.kind === "refused" || manner !== "live") return [];
  const { name: group, manualResume, mode } = found.stored.value;
  const names = vms.flatMap((id) => {
    const vm = view.vms.get(id)?.value;
    return vm !== undefined && view.owners.get(id)?.value.kind === "held" ? [vm.name] : [];
  });
  if (manualResume !== true || mode.kind !== "synchronous" || names.length === 0) return [];
  return [reason("S17", "group-switch-waits-for-resume", { group, vms: names.join(", ") })];
}
