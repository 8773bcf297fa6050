import type { HostId, IntentId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { ProofCheck } from "../../model/point-proof.ts";
import { type Consistency, type GroupPoints, isBranch, type Point, type PointWish } from "../../model/point-records.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Intent, Vm } from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { Compare } from "../../model/transaction.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { copiesForgoneWith } from "../last-moments.ts";
import { isAwaited } from "../point-return.ts";
import { findDeletedVm, type PointVm } from "../point-vm.ts";
import { groupUseMiB, isLastMoment, isQuotaReached, newestPoint, pointsOf } from "../points.ts";
import { copiesState, isWorking, protectionOf } from "../replication-duty.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { isRunning } from "../vm-state.ts";
import { findVm, hostName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import { someOf } from "./rule-parts.ts";

// What somebody asks of recovery points: recorded as a wish, which the agent of the one host that can do it answers.

/** What of a group's points somebody changes; the rest stays. */
export type PointsChange = { readonly [K in keyof GroupPoints]?: GroupPoints[K] | undefined };

const pointDefaults: GroupPoints = { everyMs: null, keep: [], consistency: "crash", test: null };

/** Null: nothing is wanted of points any more. */
export function changedPoints(before: GroupPoints | null, change: PointsChange | undefined): GroupPoints | null {
  if (change === undefined) return before;
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const next: GroupPoints = { ...(before ?? pointDefaults), ...Object.fromEntries(given) };
  const isNothing = next.everyMs === null && next.keep.length === 0 && next.test === null;
  return isNothing && next.consistency === "crash" ? null : next;
}

/** Refused where it is known beforehand that there cannot be a point now. */
export function planTakePoint(
  view: ClusterView,
  request: { readonly vm: string; readonly consistency: Consistency },
  intent: IntentId,
  asked: Asked,
): Planned {
  const found = findVm(view, request.vm);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  const params = { vm: vm.name };
  const owner = view.owners.get(vm.id);
  const protection = protectionOf(view, vm.id);
  if (owner?.value.kind !== "held" || !isRunning(view, vm.id)) return refuse("vm-not-running", params);
  if (protection === undefined) return refuse("point-not-protected", params);
  if (protection.group.mode.kind !== "synchronous") return refuse("point-in-cycles", params);
  if (!isWorking(view, protection.group)) return refuse("point-group-paused", params);
  const { group } = protection;
  if (isQuotaReached(view, group))
    return refuse("group-quota-reached", {
      group: group.name,
      usedMiB: groupUseMiB(view, group),
      quotaMiB: group.quotaMiB ?? 0,
    });
  if (copiesState(view, vm.id, owner.value, protection.to) !== "in-sync") return refuse("point-not-in-sync", params);
  const { consistency } = request;
  const wish = { act: "take" as const, epoch: owner.value.epoch, consistency };
  return planWish(vm, owner.value.host, wish, { intent, asked }, [unchanged(keys.owner(vm.id), owner)]);
}

/** It is no point any more; its room is given back by and by. */
export function planDropPoint(
  view: ClusterView,
  request: Named & { readonly accept?: boolean | undefined },
  intent: IntentId,
  asked: Asked,
): Planned {
  const planned = planOf(view, request, { intent, asked }, ({ id, origin }, { vm, host }) => {
    if (isAwaited(view, vm.id, id)) return refuse("point-awaited", { vm: vm.name, point: id });
    if (!vm.isDeleted && isLastMoment(view, vm.id, host, id))
      return refuse("point-needed", { vm: vm.name, point: id, host: hostName(view, host) });
    if (origin !== "branch-kept" || request.accept === true) return { act: "drop", point: id };
    return refuse("branch-has-what-nobody-has", { vm: vm.name, point: id, host: hostName(view, host) });
  });
  return planned.kind === "refused" ? planned : withForgone(view, request, planned);
}

/** S18: with the wish, so that no agent takes what was not recorded as deleted for what was never kept. */
function withForgone(view: ClusterView, request: Named, planned: Exclude<Planned, Refusal>): Planned {
  const found = findVm(view, request.vm);
  const stored = found.kind === "refused" ? found : findNamed(view, found.stored.value, request);
  const copies = "kind" in stored ? [] : copiesForgoneWith(view, stored.value);
  const keyOf = ({ vm, volume, host }: Replica) => keys.replica(vm, volume, host);
  const { compares, writes } = planned.transaction;
  return {
    ...planned,
    transaction: transaction(
      [...compares, ...copies.map((copy) => unchanged(keyOf(copy.value), copy))],
      [...writes, ...copies.map(({ value }) => put(keyOf(value), forgone(value)))],
    ),
  };
}

function forgone(copy: Replica): Replica {
  return copy.state.kind === "diverged" ? { ...copy, state: { ...copy.state, forgone: true } } : copy;
}

/** Plain raw images, read-only, in a folder of the host where the point lies. */
export function planExportPoint(
  view: ClusterView,
  request: Named & { readonly folder: string },
  intent: IntentId,
  asked: Asked,
): Planned {
  const { folder } = request;
  if (!folder.startsWith("/") || folder.split("/").includes("..")) return refuse("point-folder-malformed", { folder });
  return planOf(view, request, { intent, asked }, ({ id }) => ({ act: "export", point: id, folder }));
}

/** A guest is booted from the point, beside the one that runs, and checked (docs/designs/0007). */
export function planTestPoint(
  view: ClusterView,
  request: {
    readonly vm: string;
    readonly point: string;
    readonly checks: readonly ProofCheck[];
    readonly limitMs: number;
  },
  intent: IntentId,
  asked: Asked,
): Planned {
  const { checks, limitMs } = request;
  const open = [...view.intents.values()].find(({ value }) => {
    const isTest = value.kind === "point" && value.wish.act === "test" && value.answer.kind === "open";
    return isTest && view.vms.get(value.vm)?.value.name === request.vm;
  });
  if (open !== undefined) return refuse("proof-under-way", { vm: request.vm });
  return planOf(view, request, { intent, asked }, ({ id }, { vm, record, host }) => {
    if (record === undefined) return refuse("point-of-deleted-vm", { vm: vm.name, point: id });
    const freeMiB = view.facts.get(host)?.value.memoryForVmsMiB;
    const needMiB = record.spec.memoryMiB;
    if (freeMiB !== undefined && needMiB > freeMiB) return refuse("vm-memory-short", { vm: vm.name, needMiB, freeMiB });
    return { act: "test", point: id, checks: [...checks], limitMs };
  });
}

type Named = { readonly vm: string; readonly point: string; readonly among?: "branches" | undefined };
type Wishing = { readonly intent: IntentId; readonly asked: Asked };

function planOf(
  view: ClusterView,
  named: Named,
  wishing: Wishing,
  make: (
    point: Point,
    of: { readonly vm: PointVm; readonly record: Vm | undefined; readonly host: HostId },
  ) => PointWish | Refusal,
): Planned {
  const vm = findPointVm(view, named.vm);
  if ("kind" in vm) return vm;
  const stored = findNamed(view, vm, named);
  if ("kind" in stored) return stored;
  const { host } = stored.value;
  const wish = make(stored.value, { vm, record: view.vms.get(vm.id)?.value, host });
  if ("kind" in wish) return wish;
  const key = keys.point(vm.id, stored.value.id);
  return planWish(vm, host, wish, wishing, [unchanged(key, stored)]);
}

/** One that is there, or a deleted one with points. */
export function findPointVm(view: ClusterView, wanted: string): PointVm | Refusal {
  const found = findVm(view, wanted);
  if (found.kind === "found") return { id: found.stored.value.id, name: found.stored.value.name, isDeleted: false };
  return findDeletedVm(view, wanted) ?? found;
}

function findNamed(view: ClusterView, vm: Pick<Vm, "id" | "name">, { point, among }: Named): Stored<Point> | Refusal {
  return among === undefined ? findPoint(view, vm, point) : findBranch(view, vm, point);
}

/** By its name, or `newest`: whoever gives up what a lost host left never gives up a recovery point instead. */
function findBranch(view: ClusterView, vm: Pick<Vm, "id" | "name">, wanted: string): Stored<Point> | Refusal {
  const all = pointsOf(view, vm.id).filter(({ value }) => isBranch(value.origin));
  const found = wanted === "newest" ? all.at(-1) : all.find(({ value }) => value.id === wanted);
  if (found !== undefined) return found;
  const known = someOf(all.map(({ value }) => value.id));
  return refuse("branch-unknown", { vm: vm.name, branch: wanted, known });
}

/** By its name, or `newest`. */
export function findPoint(view: ClusterView, vm: Pick<Vm, "id" | "name">, wanted: string): Stored<Point> | Refusal {
  const all = pointsOf(view, vm.id);
  const to = protectionOf(view, vm.id)?.to;
  const newest = to === undefined ? all.at(-1) : newestPoint(view, vm.id, to);
  const found = wanted === "newest" ? newest : all.find(({ value }) => value.id === wanted);
  if (found !== undefined) return found;
  const known = someOf(all.map(({ value }) => value.id));
  return refuse("point-unknown", { vm: vm.name, point: wanted, known });
}

function planWish(
  vm: Pick<Vm, "id" | "name">,
  host: HostId,
  wish: PointWish,
  { intent, asked }: Wishing,
  compares: readonly Compare[],
): Planned {
  const record: Intent = {
    ...{ schema: 1, id: intent, actor: asked.actor, kind: "point", vm: vm.id, host, wish },
    ...{ answer: { kind: "open" }, at: asked.at },
  };
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(keys.intent(intent), undefined), ...compares],
      [put(keys.intent(intent), record)],
    ),
    outcome: { kind: "intent", vm: vm.id, name: vm.name, intent },
    events: [],
  };
}

/** For whoever shows it. */
export function pointHost(view: ClusterView, { host }: Point): { readonly id: HostId; readonly name: string } {
  return { id: host, name: hostName(view, host) };
}
