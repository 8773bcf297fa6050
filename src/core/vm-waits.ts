import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Params, Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { hostLostAt, policyLoss } from "./replication-cycles.ts";
import { sidesOf } from "./replication-duty.ts";
import { usability } from "./replication-usable.ts";

// A VM that is down because its host is lost and its copy lacks something: it waits for that host, or for somebody's order.

/** `isHeard`: the host's heartbeats come. */
export function waitsForOrder(
  view: ClusterView,
  group: Group,
  id: VmId,
  isHeard: (host: HostId) => boolean,
  now: WallMs,
): ["Error", Reason][] {
  const vm = view.vms.get(id)?.value;
  const owner = view.owners.get(id)?.value;
  if (vm === undefined || owner?.kind !== "held" || isHeard(owner.host)) return [];
  const why =
    group.mode.kind === "asynchronous"
      ? inCycles(view, group, vm, owner.host, now)
      : ofEachWrite(view, group, vm, owner.host, now);
  return why === undefined ? [] : [["Error", why]];
}

/** What its copy lacks is more than the group allows. */
function inCycles(view: ClusterView, { name }: Group, vm: Vm, lost: HostId, now: WallMs): Reason | undefined {
  const loss = policyLoss(view, vm.id, hostLostAt(view, vm.id) ?? now);
  if (loss === undefined || loss.accepted !== undefined) return undefined;
  const { host, seconds, limitS } = loss;
  const params = { vm: vm.name, group: name, host, lost, seconds };
  return reason("S25", "group-vm-waits-for-order", { ...params, limitS: limitS ?? "none" });
}

/** Where each write is copied nothing is lost by itself (S17): a copy that was left behind, or is of no use, is not taken. */
function ofEachWrite(view: ClusterView, group: Group, vm: Vm, lost: HostId, now: WallMs): Reason | undefined {
  const host = sidesOf(view, group, vm.id)?.to;
  if (vm.requested !== "started" || host === undefined) return undefined;
  const use = usability(view, vm.id, host);
  if (use.kind === "whole") return undefined;
  const params: Params = { vm: vm.name, group: group.name, host, lost };
  if (use.kind === "unusable") return reason("S17", "group-vm-down-without-copy", params);
  if (use.since === null) return reason("S17", "group-vm-down-copy-unclear", params);
  const seconds = Math.max(0, Math.ceil(((hostLostAt(view, vm.id) ?? now) - use.since) / 1_000));
  const code = group.paused.length > 0 ? "group-vm-down-while-paused" : "group-vm-down-copy-behind";
  return reason("S17", code, { ...params, seconds });
}
