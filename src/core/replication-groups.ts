import { isSame } from "../base/same.ts";
import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { HostFacts } from "../model/records.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { type OwnWord, ownTrouble } from "./copies-here.ts";
import { editTroubles } from "./copies-watched.ts";
import { lacksRoomBeside } from "./last-moments.ts";
import { limits } from "./limits.ts";
import { linkNeeds, mbitOf } from "./link-figures.ts";
import { reason } from "./placement/fitness.ts";
import { pointTroubles, quotaTrouble } from "./point-checks.ts";
import { copiesOn } from "./replication.ts";
import { isLate, lagNow } from "./replication-cycles.ts";
import { keepsBranch, protectionOf, sidesOf, versionOf, waitsForResume } from "./replication-duty.ts";
import { type Usability, usability } from "./replication-usable.ts";
import { vmIndex } from "./vm-index.ts";
import { isRunning } from "./vm-state.ts";
import { waitsForOrder } from "./vm-waits.ts";

export type GroupWord = "Normal" | "Synchronizing" | "Warning" | "Paused" | "Error";
export type GroupState = { readonly word: GroupWord; readonly reasons: readonly Reason[] };

/** The graver, the later: the gravest of all that is found is the group's word. */
const gravity: readonly GroupWord[] = ["Normal", "Synchronizing", "Warning", "Paused", "Error"];

/** `isHeard`: the host's heartbeats come; `now`: for what lags; `own`: of the host that is asked, which may know more than the store. Reasons in the order of the group's VMs; only those of the word that is shown. */
export function groupState(
  view: ClusterView,
  group: Group,
  isHeard: (host: HostId) => boolean,
  now: WallMs,
  own: OwnWord | undefined = undefined,
): GroupState {
  const found: (readonly [GroupWord, Reason])[] = [
    ...(group.paused.length === 0 ? [] : [["Paused", reason("S17", "group-paused", { group: group.name })] as const]),
    ...versionTrouble(view, group),
    ...clockTrouble(view, group),
    ...(isHeard(group.target)
      ? []
      : [["Warning", reason("S16", "group-target-silent", { host: group.target })] as const]),
    ...group.vms.flatMap((vm) => {
      // Why it is down says what is the matter with its copy, too.
      const down = waitsForOrder(view, group, vm, isHeard, now);
      const copy = down.length > 0 ? down : vmTrouble(view, group, vm, now, own);
      return [...(beginsNow(view, group, vm, isHeard, now, copy) ?? copy), ...linkTrouble(view, vm)];
    }),
    ...group.vms.flatMap((vm) => [...roomTrouble(view, group, vm), ...editTroubles(view, group, vm)]),
    ...group.vms.flatMap((vm) => pointTroubles(view, group, vm, now).map((why) => ["Warning", why] as const)),
    ...memoryTrouble(view, group),
    ...quotaTrouble(view, group).map((why) => ["Warning", why] as const),
  ];
  const word = gravity.findLast((one) => found.some(([of]) => of === one)) ?? "Normal";
  const reasons: Reason[] = [];
  for (const [of, why] of found) if (of === word && !reasons.some((one) => isSame(one, why))) reasons.push(why);
  return { word, reasons };
}

/** As both say of themselves; 0: one of them has not said. */
export function clocksApartMs(view: ClusterView, a: HostId, b: HostId): number {
  const [one, other] = [a, b].map((host) => view.facts.get(host)?.value.clockOffsetMs ?? null);
  return one == null || other == null ? 0 : Math.abs(one - other);
}

/** How much a copy is behind is told by two clocks. */
function clockTrouble(view: ClusterView, { source, target }: Group): [GroupWord, Reason][] {
  const apartMs = clocksApartMs(view, source, target);
  if (apartMs < limits.clockApartMs) return [];
  return [["Warning", reason("S25", "group-clocks-differ", { source, target, seconds: apartMs / 1_000 })]];
}

/** Different versions write different things: nothing is copied between them until they are equal again. */
function versionTrouble(view: ClusterView, { source, target }: Group): [GroupWord, Reason][] {
  const [here, there] = [versionOf(view, source), versionOf(view, target)];
  if (here === there) return [];
  const params = { source, target, here, there };
  return [["Paused", reason("S17", "group-versions-differ", params)]];
}

/** By the figures of the run that there is: the best that its link showed for a while. */
function linkTrouble(view: ClusterView, vm: VmId): [GroupWord, Reason][] {
  const known = view.copyings.get(vm)?.value;
  if (known === undefined || known.epoch !== view.owners.get(vm)?.value.epoch) return [];
  const { to: host, link } = known;
  const found: [GroupWord, Reason][] = [];
  if (link.latencyMs !== null && link.latencyMs > linkNeeds.latencyMs)
    found.push(["Warning", reason("S16", "group-link-late", { host, ms: link.latencyMs, most: linkNeeds.latencyMs })]);
  const mbit = link.mibPerSecond === null ? null : mbitOf(link.mibPerSecond);
  if (mbit !== null && mbit < linkNeeds.mbitPerSecond)
    found.push(["Warning", reason("S16", "group-link-slow", { host, mbit, least: linkNeeds.mbitPerSecond })]);
  return found;
}

/** The host of the copies could not start all of them now, beside what it runs. */
function memoryTrouble(view: ClusterView, { vms }: Group): [GroupWord, Reason][] {
  const left = new Map<HostId, number>();
  return vms.flatMap((vm): [GroupWord, Reason][] => {
    const wanted = view.vms.get(vm)?.value;
    const to = protectionOf(view, vm)?.to;
    const facts = to === undefined ? undefined : view.facts.get(to)?.value;
    if (wanted?.requested !== "started" || to === undefined || facts === undefined) return [];
    const freeMiB = left.get(to) ?? Math.max(0, facts.memoryForVmsMiB - (vmIndex(view).loads.get(to)?.memoryMiB ?? 0));
    const { memoryMiB: neededMiB } = wanted.spec;
    left.set(to, Math.max(0, freeMiB - neededMiB));
    if (neededMiB <= freeMiB) return [];
    return [["Warning", reason("PL1", "group-target-full", { vm: wanted.name, host: to, neededMiB, freeMiB })]];
  });
}

/** What is the matter with its copy, and why, where one of both hosts does not take or send it. */
function vmTrouble(
  view: ClusterView,
  group: Group,
  vm: VmId,
  now: WallMs,
  own: OwnWord | undefined,
): [GroupWord, Reason][] {
  const found = copyTrouble(view, group, vm, now, own);
  const [first] = found;
  const sides = sidesOf(view, group, vm);
  if (first === undefined || sides === undefined) return found;
  const { from, to } = sides;
  const why = [...whyRefused(view, vm, to, "copies-not-received"), ...whyRefused(view, vm, from, "copies-not-sent")];
  if (why.length === 0) return found;
  const [word] = first;
  // Nothing is on its way as long as that is so.
  const isNoProgress = word === "Synchronizing";
  return [
    ...(isNoProgress ? [] : found),
    ...why.map((one) => [isNoProgress ? "Error" : word, one] as [GroupWord, Reason]),
  ];
}

/** By that host's own word. */
function whyRefused(view: ClusterView, vm: VmId, host: HostId, code: string): readonly Reason[] {
  const refused = presentFacts(view, host)?.copiesRefused?.find((one) => one.vm === vm);
  if (refused === undefined) return [];
  const params = { ...refused.params, vm: view.vms.get(vm)?.value.name ?? vm };
  return [reason("S21", code, { ...params, host }), reason("S21", refused.code, params)];
}

/** A copy has so much under way at a time (MiB): where less is free it is about to stop, or has. */
const roomLeastMiB = 16;

/** By the last look of the copies' host. A disk that is full answers no write, which is told as silence (S16). */
function roomTrouble(view: ClusterView, group: Group, id: VmId): [GroupWord, Reason][] {
  const vm = view.vms.get(id)?.value;
  const host = sidesOf(view, group, id)?.to;
  const pools = new Set(vm?.spec.disks.map(({ pool }) => pool));
  if (host === undefined) return [];
  return (presentFacts(view, host)?.pools ?? []).flatMap(({ pool, freeMiB }): [GroupWord, Reason][] => {
    if (vm === undefined || !pools.has(pool) || freeMiB >= roomLeastMiB) return [];
    const params = { vm: vm.name, host, pool: view.pools.get(pool)?.value.name ?? pool, freeMiB };
    return [["Warning", reason("S16", "group-pool-full", params)]];
  });
}

/** The run goes on without it: it was left behind, or lies at the host that the VM was lost with or left, which has nothing of its own. */
function isLeftBehind(view: ClusterView, vm: VmId, use: Usability): boolean {
  if (use.kind !== "lossy") return false;
  return use.code === "replica-stale" || (use.code === "replica-diverged" && isRunning(view, vm));
}

/** It was put under protection a moment ago, runs, and nothing is known to be in the way: its first copy is about to begin. */
function beginsNow(
  view: ClusterView,
  group: Group,
  vm: VmId,
  isHeard: (host: HostId) => boolean,
  now: WallMs,
  [first, ...more]: readonly (readonly [GroupWord, Reason])[],
): [GroupWord, Reason][] | undefined {
  const sides = sidesOf(view, group, vm);
  if (first?.[1].code !== "group-vm-unprotected" || more.length > 0 || sides === undefined) return undefined;
  const isNew = now - (group.grewAt ?? group.createdAt) < limits.copyBeginsWithinMs;
  if (!isNew || !isRunning(view, vm) || !isHeard(sides.from) || !isHeard(sides.to)) return undefined;
  return [["Synchronizing", reason("S17", "group-vm-begins", first[1].params)]];
}

/** What an earlier life of the host said is over. */
export function presentFacts(view: ClusterView, host: HostId): HostFacts | undefined {
  const facts = view.facts.get(host)?.value;
  return facts?.incarnation === view.hosts.get(host)?.value.incarnation ? facts : undefined;
}

/** S18: what a lost host has and nobody else is kept before it is copied to, and stays until somebody deletes it. */
function branchTrouble(view: ClusterView, vm: VmId, host: HostId): Reason {
  const params = { vm: view.vms.get(vm)?.value.name ?? vm, host };
  const lacking = lacksRoomBeside(view, vm, host);
  if (lacking === undefined) return reason("S18", "group-vm-branch", params);
  const pool = view.pools.get(lacking.pool)?.value.name ?? lacking.pool;
  return reason("S18", "group-vm-branch-no-room", { ...params, ...lacking, pool });
}

function copyTrouble(
  view: ClusterView,
  group: Group,
  vm: VmId,
  now: WallMs,
  own: OwnWord | undefined,
): [GroupWord, Reason][] {
  const { mode } = group;
  const wanted = view.vms.get(vm)?.value;
  if (wanted === undefined) return [["Error", reason("S17", "group-vm-gone", { vm, group: group.name })]];
  const name = wanted.name;
  const sides = sidesOf(view, group, vm);
  const to = sides?.to ?? group.target;
  const all = copiesOn(view, vm, to);
  // On neither of the group's hosts nothing is copied, whatever lies there of an earlier run.
  if (sides === undefined && view.owners.has(vm))
    return [["Error", reason("S17", "group-vm-unprotected", { vm: name, host: to })]];
  if (all.some(({ record }) => keepsBranch(record?.value))) return [["Error", branchTrouble(view, vm, to)]];
  if (all.some(({ record }) => record === undefined))
    return [["Error", reason("S17", "group-vm-unprotected", { vm: name, host: to })]];
  if (all.some(({ record }) => record?.value.state.kind === "copying"))
    return [["Synchronizing", reason("S17", "group-vm-copying", { vm: name, host: to })]];
  const use = usability(view, vm, to);
  if (use.kind === "whole") {
    const more = ownTrouble(view, group, vm, own, now);
    return more === undefined ? [] : [["Warning", more]];
  }
  if (use.kind === "lossy" && use.code === "replica-behind") {
    const lag = lagNow(view, vm, to, now) ?? 0;
    if (!isLate(mode, lag)) return [];
    const params = { vm: name, host: to, seconds: Math.round(lag / 1_000) };
    return [["Warning", reason("S25", "group-vm-lags", params)]];
  }
  if (use.kind === "unusable") return [["Error", reason("S17", "group-vm-incomplete", { vm: name, host: to })]];
  const code = isLeftBehind(view, vm, use) ? "group-vm-stale" : "group-vm-unusable";
  if (code === "group-vm-stale" && waitsForResume(view, vm, to, group))
    return [["Warning", reason("S17", "group-waits-for-resume", { vm: name, host: to, group: group.name })]];
  return [
    [code === "group-vm-stale" ? "Warning" : "Error", reason("S17", code, { vm: name, host: to, group: group.name })],
  ];
}
