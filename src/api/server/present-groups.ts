import { compareNatural, inKeyOrder } from "../../base/order.ts";
import { branchesKept } from "../../core/branches.ts";
import { copyHere } from "../../core/copies-here.ts";
import { groupUseMiB, pointsOf, tellingTest } from "../../core/points.ts";
import { copiesOn } from "../../core/replication.ts";
import { lagNow, sealedCycle } from "../../core/replication-cycles.ts";
import { copiesState, groupOf, lackedAt, protectionOf } from "../../core/replication-duty.ts";
import { groupState } from "../../core/replication-groups.ts";
import { findGroup, hostOf } from "../../core/requests/groups.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { isBranch } from "../../model/point-records.ts";
import type { Check, Refusal } from "../../model/reason.ts";
import type { Group } from "../../model/replication-records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { GroupOutput, ProtectedVm } from "../contract/group.ts";
import type { VmSummary } from "../contract/vm.ts";
import type { Tracker } from "./tracker.ts";

export function presentGroups(view: ClusterView, tracker: Tracker): GroupOutput[] {
  return inKeyOrder(view.groups)
    .map(([, { value }]) => present(view, value, tracker))
    .sort((a, b) => compareNatural(a.name, b.name));
}

export function presentGroup(view: ClusterView, wanted: string, tracker: Tracker): GroupOutput | Refusal {
  const found = findGroup(view, wanted);
  return found.kind === "refused" ? found : present(view, found.stored.value, tracker);
}

type Sight = Pick<Tracker, "contact" | "wall" | "ownWord">;

function stateOf(view: ClusterView, group: Group, { contact, wall, ownWord }: Sight) {
  const isHeard = (host: HostId): boolean => ["up", "unknown"].includes(contact(host));
  return groupState(view, group, isHeard, wall(), ownWord());
}

/** What its group's state is by this VM alone; null: it is in none. */
export function presentProtection(view: ClusterView, vm: VmId, sight: Sight): VmSummary["protection"] {
  const group = groupOf(view, vm);
  if (group === undefined) return null;
  const { word, reasons } = stateOf(view, { ...group, vms: [vm] }, sight);
  return { group: group.name, status: word, reasons: reasons.map((reason) => ({ ...reason })) };
}

function present(view: ClusterView, group: Group, tracker: Tracker): GroupOutput {
  const { word, reasons } = stateOf(view, group, tracker);
  return {
    name: group.name,
    status: word,
    reasons: reasons.map((reason) => ({ ...reason })),
    notes: group.vms.flatMap((vm) => branchesKept(view, vm).map((note) => ({ ...note }))),
    from: hostOf(view, group.source),
    to: hostOf(view, group.target),
    directions: directionsOf(view, group),
    mode: group.mode.kind,
    boundMs: group.mode.kind === "synchronous" ? group.mode.boundMs : null,
    everyS: group.mode.kind === "asynchronous" ? group.mode.everyS : null,
    lossS: group.mode.kind === "asynchronous" ? group.mode.lossS : null,
    points: group.points,
    quotaMiB: group.quotaMiB ?? null,
    useMiB: groupUseMiB(view, group),
    resume: group.manualResume === true ? "manual" : "automatic",
    createdAt: group.createdAt,
    vms: group.vms.map((vm) => presentVm(view, vm, tracker)),
  };
}

/** As they are now; of VMs on neither of both hosts nothing is said. */
function directionsOf(view: ClusterView, group: Group): GroupOutput["directions"] {
  const { source, target } = group;
  const ways = [
    { from: source, to: target },
    { from: target, to: source },
  ];
  return ways.flatMap(({ from, to }) => {
    const there = group.vms.filter((vm) => view.owners.get(vm)?.value.host === from);
    const vms = there.map((vm) => view.vms.get(vm)?.value.name ?? vm);
    return vms.length === 0 ? [] : [{ from: hostOf(view, from), to: hostOf(view, to), vms }];
  });
}

const unseen = { latencyMs: null, mibPerSecond: null } as const;

function presentVm(view: ClusterView, id: VmId, tracker: Tracker): ProtectedVm {
  const owner = view.owners.get(id)?.value;
  const protection = protectionOf(view, id);
  const base = {
    id,
    name: view.vms.get(id)?.value.name ?? id,
    on: owner ? hostOf(view, owner.host) : null,
    points: pointsIn(view, id),
  };
  const nothing = {
    ...{ copyOn: null, copy: "none" as const, aloneMs: null, aloneBy: null, waiting: false, atRiskMiB: null },
    ...{ link: unseen, copying: null },
    ...{ copyAt: null, lagMs: null },
  };
  if (owner === undefined || protection === undefined) return { ...base, ...nothing };
  const { to } = protection;
  // A cycle that an earlier run sealed is as good as one of this one (S25).
  const copy = sealedCycle(view, id, to) === undefined ? copiesState(view, id, owner, to) : "sealed";
  const since = copiesOn(view, id, to).flatMap(({ record }) => {
    return record?.value.state.kind === "stale" ? [record.value.state.at] : [];
  });
  const known = view.copyings.get(id)?.value;
  const figures = known?.epoch === owner.epoch && known.to === to ? known : undefined;
  const isStale = copy === "stale";
  const here = isStale ? undefined : copyHere(view, id, tracker.ownWord());
  const aloneSince = isStale ? Math.min(...since) : (here?.since ?? null);
  return {
    ...base,
    copyOn: hostOf(view, to),
    copy,
    aloneMs: aloneSince === null ? null : Math.max(0, tracker.wall() - aloneSince),
    aloneBy: isStale ? "record" : aloneSince === null ? null : "host",
    waiting: here?.kind === "waits",
    atRiskMiB: isStale ? (lackedAt(view, id, owner, to)?.remainingMiB ?? null) : (here?.atRiskMiB ?? null),
    copyAt: sealedCycle(view, id, to)?.at ?? null,
    lagMs: lagNow(view, id, to, tracker.wall()) ?? null,
    link: figures?.link ?? unseen,
    // All that a job had to copy says nothing before it is confirmed, and may be what was noted of an earlier one.
    copying: copy === "copying" && figures !== undefined && figures.percent < 100 ? progressOf(figures) : null,
  };
}

function pointsIn(view: ClusterView, vm: VmId): ProtectedVm["points"] {
  const all = pointsOf(view, vm).map(({ value }) => value);
  const points = all.filter(({ origin }) => !isBranch(origin) && origin !== "resync");
  return {
    count: points.length,
    branches: all.filter(({ origin }) => isBranch(origin)).length,
    newestAt: points.at(-1)?.at ?? null,
    proof: tellingTest(view, vm) ?? null,
  };
}

function progressOf({ percent, mibPerSecond, remainingMiB }: Figures): ProtectedVm["copying"] {
  const remainingMs = mibPerSecond > 0 ? Math.round((remainingMiB / mibPerSecond) * 1_000) : null;
  return { percent, mibPerSecond, remainingMiB, remainingMs };
}

type Figures = { readonly percent: number; readonly mibPerSecond: number; readonly remainingMiB: number };

/** Branches that take room, also of VMs that no group protects any more. */
export function branchChecks(view: ClusterView): Check[] {
  return [...view.vms.keys()]
    .sort()
    .flatMap((vm) =>
      branchesKept(view, vm).map(({ code, params }): Check => ({ id: code, subject: vm, level: "warn", params })),
    );
}

/** Groups that protect less than they are meant to: each reason once. */
export function groupChecks(view: ClusterView, tracker: Tracker): Check[] {
  return presentGroups(view, tracker).flatMap(({ name, status, reasons }): Check[] => {
    if (status !== "Warning" && status !== "Error") return [];
    const level = status === "Error" ? "fail" : "warn";
    return reasons.map(({ code, params }) => ({ id: code, subject: name, level, params }));
  });
}
