import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { pointTroubles } from "./point-checks.ts";
import { copiesOn } from "./replication.ts";
import { keepsBranch, versionOf } from "./replication-duty.ts";
import { usability } from "./replication-usable.ts";

export type GroupWord = "Normal" | "Synchronizing" | "Warning" | "Paused" | "Error";
export type GroupState = { readonly word: GroupWord; readonly reasons: readonly Reason[] };

/** The graver, the later: the gravest of all that is found is the group's word. */
const gravity: readonly GroupWord[] = ["Normal", "Synchronizing", "Warning", "Paused", "Error"];

/** `isHeard`: the host's heartbeats come. Reasons in the order of the group's VMs; only those of the word that is shown. */
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
    ...group.vms.flatMap((vm) => vmTrouble(view, group, vm)),
    ...group.vms.flatMap((vm) => pointTroubles(view, group, vm, now).map((why) => ["Warning", why] as const)),
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

function vmTrouble(view: ClusterView, { source, target }: Group, vm: VmId): [GroupWord, Reason][] {
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
  // In cycles it is always somewhat behind; by how much is shown with it (`lagMs`).
  if (use.kind === "whole" || (use.kind === "lossy" && use.code === "replica-behind")) return [];
  const code = use.kind === "lossy" && use.code === "replica-stale" ? "group-vm-stale" : "group-vm-unusable";
  return [[code === "group-vm-stale" ? "Warning" : "Error", reason("S17", code, { vm: name, host: to })]];
}
