import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { copiesOn } from "./replication.ts";
import { hostLostAt, isLate, lagNow, policyLoss } from "./replication-cycles.ts";
import { keepsBranch, versionOf } from "./replication-duty.ts";
import { usability } from "./replication-usable.ts";

export type GroupWord = "Normal" | "Synchronizing" | "Warning" | "Paused" | "Error";
export type GroupState = { readonly word: GroupWord; readonly reasons: readonly Reason[] };

/** The graver, the later: the gravest of all that is found is the group's word. */
const gravity: readonly GroupWord[] = ["Normal", "Synchronizing", "Warning", "Paused", "Error"];

/** `isHeard`: the host's heartbeats come; `now`: for what lags. Reasons in the order of the group's VMs; only those of the word that is shown. */
export function groupState(
  view: ClusterView,
  group: Group,
  isHeard: (host: HostId) => boolean,
  now: WallMs,
): GroupState {
  const found: (readonly [GroupWord, Reason])[] = [
    ...group.paused.map((code) => ["Paused", reason("S17", "group-paused", { why: code })] as const),
    ...versionTrouble(view, group),
    ...(isHeard(group.target)
      ? []
      : [["Warning", reason("S16", "group-target-silent", { host: group.target })] as const]),
    ...group.vms.flatMap((vm) => vmTrouble(view, group, vm, now)),
    ...group.vms.flatMap((vm) => waitsForOrder(view, group, vm, isHeard, now)),
  ];
  const word = gravity.findLast((one) => found.some(([of]) => of === one)) ?? "Normal";
  return { word, reasons: found.filter(([of]) => of === word).map(([, why]) => why) };
}

/** Different versions write different things: nothing is copied between them until they are equal again. */
function versionTrouble(view: ClusterView, { source, target }: Group): [GroupWord, Reason][] {
  const [here, there] = [versionOf(view, source), versionOf(view, target)];
  if (here === there) return [];
  const params = { source, target, here, there };
  return [["Paused", reason("S17", "group-versions-differ", params)]];
}

/** Its host is silent or lost, and what its copy lacks is more than the group allows: it waits for that host, or for an order. */
function waitsForOrder(
  view: ClusterView,
  { name, mode }: Group,
  vm: VmId,
  isHeard: (host: HostId) => boolean,
  now: WallMs,
): [GroupWord, Reason][] {
  const owner = view.owners.get(vm)?.value;
  if (mode.kind !== "asynchronous" || owner?.kind !== "held" || isHeard(owner.host)) return [];
  const loss = policyLoss(view, vm, hostLostAt(view, vm) ?? now);
  if (loss === undefined || loss.accepted !== undefined) return [];
  const { host, seconds, limitS } = loss;
  const params = { vm: view.vms.get(vm)?.value.name ?? vm, group: name, host, lost: owner.host, seconds };
  return [["Error", reason("S25", "group-vm-waits-for-order", { ...params, limitS: limitS ?? "none" })]];
}

function vmTrouble(view: ClusterView, { source, target, mode }: Group, vm: VmId, now: WallMs): [GroupWord, Reason][] {
  const wanted = view.vms.get(vm)?.value;
  if (wanted === undefined) return [["Error", reason("S17", "group-vm-gone", { vm })]];
  const name = wanted.name;
  // After a failover the roles are the other way round.
  const owner = view.owners.get(vm)?.value;
  const to = owner?.host === target ? source : target;
  const all = copiesOn(view, vm, to);
  if (all.some(({ record }) => keepsBranch(record?.value)))
    return [["Error", reason("S18", "group-vm-branch", { vm: name, host: to })]];
  if (all.some(({ record }) => record === undefined))
    return [["Error", reason("S17", "group-vm-unprotected", { vm: name, host: to })]];
  if (all.some(({ record }) => record?.value.state.kind === "copying"))
    return [["Synchronizing", reason("S17", "group-vm-copying", { vm: name, host: to })]];
  const use = usability(view, vm, to);
  if (use.kind === "whole") return [];
  if (use.kind === "lossy" && use.code === "replica-behind") {
    const lag = lagNow(view, vm, to, now) ?? 0;
    if (!isLate(mode, lag)) return [];
    const params = { vm: name, host: to, seconds: Math.round(lag / 1_000) };
    return [["Warning", reason("S25", "group-vm-lags", params)]];
  }
  const code = use.kind === "lossy" && use.code === "replica-stale" ? "group-vm-stale" : "group-vm-unusable";
  return [[code === "group-vm-stale" ? "Warning" : "Error", reason("S17", code, { vm: name, host: to })]];
}
