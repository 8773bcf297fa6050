import { compareText } from "../base/order.ts";
import type { HostId, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { isChecked, kindsChecked, type PointProof } from "../model/point-proof.ts";
import { isBranch, type Point } from "../model/point-records.ts";
import type { HeldOwner, HostRegistration } from "../model/records.ts";
import type { Group } from "../model/replication-records.ts";
import type { Transaction } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { ReplicaPoint } from "../ports/replication.ts";
import { derived } from "./derived.ts";
import { isAwaited } from "./point-return.ts";
import { isPointDue, pointsToDrop } from "./point-thinning.ts";
import { copiesOn } from "./replication.ts";
import { copiesState } from "./replication-duty.ts";
import { put, remove, stillIn, transaction, unchanged } from "./transactions.ts";
import { vmsByHost } from "./vms-by-host.ts";

// Recovery points as they are recorded, and what follows from that (docs/designs/0008-recovery-points.md).

const pointsByVm = derived(["point"], (view: ClusterView): ReadonlyMap<VmId, readonly Stored<Point>[]> => {
  const found = new Map<VmId, Stored<Point>[]>();
  for (const stored of view.points.values()) {
    const { vm } = stored.value;
    found.set(vm, [...(found.get(vm) ?? []), stored]);
  }
  for (const all of found.values()) all.sort((a, b) => a.value.at - b.value.at || compareText(a.value.id, b.value.id));
  return found;
});

const vmsWithPoints = derived(["point"], ({ points }) => vmsByHost(points));

/** The VMs of which points lie there by the records, in the order of their ids. */
export function vmsWithPointsAt(view: ClusterView, host: HostId): readonly VmId[] {
  return vmsWithPoints(view).get(host) ?? [];
}

/** All that are on record of the VM, oldest first. */
export function pointsOf(view: ClusterView, vm: VmId): readonly Stored<Point>[] {
  return pointsByVm(view).get(vm) ?? [];
}

/** The newest that somebody may go back to; undefined: there is none. */
export function newestPoint(view: ClusterView, vm: VmId, host: HostId): Stored<Point> | undefined {
  return pointsOf(view, vm).findLast(({ value }) => value.host === host && !isBranch(value.origin));
}

/** MiB that the group's copies may grow to, with what their recovery points take already. */
export function groupUseMiB(view: ClusterView, { vms }: Pick<Group, "vms">): number {
  let usedMiB = 0;
  for (const vm of vms) {
    for (const { sizeMiB } of view.vms.get(vm)?.value.spec.disks ?? []) usedMiB += sizeMiB;
    // Those below the disks of a run lie in the pool of its own host.
    const there = pointsOf(view, vm).filter(({ value }) => value.host !== view.owners.get(vm)?.value.host);
    for (const { value } of there) usedMiB += value.sizeMiB ?? 0;
  }
  return usedMiB;
}

/** There is no room for another recovery point; what is copied goes on, because it writes where it wrote before. */
export function isQuotaReached(view: ClusterView, group: Group): boolean {
  const hasPoints = group.vms.some((vm) => pointsOf(view, vm).length > 0);
  return group.quotaMiB !== undefined && hasPoints && groupUseMiB(view, group) >= group.quotaMiB;
}

/** It is time for the group's next point of this VM: of what somebody asked for by hand, or a resync left, none counts. */
export function isScheduleDue(view: ClusterView, group: Group, vm: VmId, now: WallMs): boolean {
  const everyMs = group.points?.everyMs ?? null;
  if (everyMs === null || group.mode.kind !== "synchronous" || isQuotaReached(view, group)) return false;
  const last = pointsOf(view, vm).findLast(({ value }) => value.origin === "schedule");
  return isPointDue(everyMs, last?.value.at, now);
}

/**
 * S20: the copies at `host` are half old and half new, or may be so at any moment, and this point may be the only moment of them
 * that is left. It stays until they are whole, whoever wants it dropped.
 */
export function isLastMoment(view: ClusterView, vm: VmId, host: HostId, id: string): boolean {
  const states = copiesOn(view, vm, host).map(({ record }) => record?.value.state);
  const here = pointsOf(view, vm).filter(({ value }) => value.host === host);
  const kept = here.filter(({ value }) => value.origin === "resync");
  if (kept.some(({ value }) => value.id === id))
    return states.some((state) => state?.kind === "copying" || state?.kind === "stale");
  const isHalf = states.some((state) => state?.kind === "copying" || (state?.kind === "stale" && !state.whole));
  if (kept.length > 0 || !isHalf) return false;
  return here.filter(({ value }) => isBranch(value.origin)).at(-1)?.value.id === id;
}

/** Points at this host that are wanted no more, oldest first. The last before a resync stays until that is over (S20). */
export function unwantedPoints(
  view: ClusterView,
  group: Group | undefined,
  vm: VmId,
  self: HostId,
  found: readonly ReplicaPoint[],
): readonly string[] {
  const owner = view.owners.get(vm)?.value;
  const state = owner === undefined ? "none" : copiesState(view, vm, owner, self);
  const isAgain = state === "in-sync" || state === "sealed";
  // It was made after it was recorded that the copy was left behind, and its record after it: a view without that may be older.
  const isOver = (id: string): boolean => isAgain && view.points.get(keys.point(vm, id))?.value.host === self;
  const others = found.filter(({ origin }) => origin !== "resync" && !isBranch(origin));
  // The newest by its place, whatever the clock was put to since: from the last cycle a failover starts (S25).
  const newest = others.at(-1)?.id;
  const thinned = pointsToDrop(
    others.map(({ id, at, origin }) => ({ id, at, pinned: origin === "hand" || id === newest })),
    group?.points?.keep ?? [],
  );
  const last = found.filter(({ origin }) => origin === "resync").map(({ id }) => id);
  const unwanted = [...last.filter((id, i) => i + 1 < last.length || isOver(id)), ...thinned];
  return unwanted.filter((id) => !isAwaited(view, vm, id));
}

/** What is noted of a VM with its points: they may outlive it. */
export function vmAsNow(view: ClusterView, id: VmId): Point["vmAs"] {
  const vm = view.vms.get(id)?.value;
  return vm === undefined ? undefined : { name: vm.name, disks: [...vm.spec.disks] };
}

/** What the records of this host's points have to become: what lies here is what counts. */
export type RecordChange = { readonly before: Stored<Point> | undefined; readonly after: Point | undefined };

/**
 * `asked`: the view's revision when the question was put to which `found` is the answer: of what was recorded after it
 * nothing follows.
 */
export function recordChanges(
  view: ClusterView,
  vm: VmId,
  self: HostId,
  found: readonly ReplicaPoint[],
  asked: number,
): readonly RecordChange[] {
  const changes: RecordChange[] = [];
  const lost: PointProof[] = [];
  for (const stored of pointsOf(view, vm)) {
    const isHere = found.some(({ id }) => id === stored.value.id);
    if (stored.value.host === self && !isHere && stored.revision <= asked) {
      changes.push({ before: stored, after: undefined });
      lost.push(...testsOf(stored.value));
    }
  }
  for (const [i, { id, at, sizeMiB, origin, consistency }] of found.entries()) {
    const before = view.points.get(keys.point(vm, id));
    // Of the newest it grows with each write: nobody is told.
    const size = i === found.length - 1 ? null : sizeMiB;
    const vmAs = vmAsNow(view, vm) ?? before?.value.vmAs;
    const after: Point = {
      ...{ schema: 1, vm, id, host: self, at: at as WallMs, origin, consistency, sizeMiB: size },
      proof: before?.value.proof ?? null,
      ...(before?.value.boot === undefined ? {} : { boot: before.value.boot }),
      ...(before?.value.earlierProofs === undefined ? {} : { earlierProofs: before.value.earlierProofs }),
      ...(vmAs === undefined ? {} : { vmAs }),
      ...(before?.value.earlier === undefined ? {} : { earlier: before.value.earlier }),
      // What lies there does not tell it.
      ...(before?.value.whyCrash === undefined ? {} : { whyCrash: before.value.whyCrash }),
    };
    const isNoted = vmAs === undefined || before?.value.vmAs !== undefined;
    const isSame = before?.value.sizeMiB === size && before.value.host === self && isNoted;
    // What a test came to outlives its point. First: with those that go, however many one transaction takes.
    if (lost.length > 0 && i === found.length - 1) changes.unshift({ before, after: withEarlier(after, lost) });
    else if (!isSame) changes.push({ before, after });
  }
  return changes;
}

/** By the agent of the host where it lies. */
export function changePointsTransaction(
  vm: VmId,
  self: HostId,
  registration: Stored<HostRegistration>,
  changes: readonly RecordChange[],
): Transaction {
  const keyOf = ({ before, after }: RecordChange) => keys.point(vm, (after ?? before?.value)?.id ?? "");
  return transaction(
    [...stillIn(self, registration), ...changes.map((change) => unchanged(keyOf(change), change.before))],
    changes.map((change) => (change.after === undefined ? remove(keyOf(change)) : put(keyOf(change), change.after))),
  );
}

/** By the agent of the run that had it taken: its host may have nobody who looks. */
export function takenTransaction(
  point: Point,
  owner: Stored<HeldOwner>,
  registration: Stored<HostRegistration>,
): Transaction {
  const key = keys.point(point.vm, point.id);
  return transaction(
    [unchanged(keys.owner(point.vm), owner), ...stillIn(owner.value.host, registration), unchanged(key, undefined)],
    [put(key, point)],
  );
}

/** The point that is to be tested now by the group's schedule; undefined: none. */
export function testDue(view: ClusterView, group: Group, vm: VmId, self: HostId, now: WallMs): Point | undefined {
  const { test = null } = group.points ?? {};
  const newest = newestPoint(view, vm, self)?.value;
  if (test === null || newest === undefined) return undefined;
  return isPointDue(test.everyMs, lastTest(view, vm)?.at, now) ? newest : undefined;
}

/** The VM's last test failover, whatever it checked, also of a point that is gone since. */
export function lastTest(view: ClusterView, vm: VmId): PointProof | undefined {
  return newestOf(pointsOf(view, vm).flatMap(({ value }) => testsOf(value)));
}

/** The last one that checked something; where there is none, the last one at all. */
export function lastProof(view: ClusterView, vm: VmId): PointProof | undefined {
  const proofs = pointsOf(view, vm).flatMap(({ value }) => testsOf(value));
  return newestOf(proofs.filter(isChecked)) ?? lastTest(view, vm);
}

/** What is to be shown of all of them: the last one where it failed; what checked nothing does not show that it is well again. */
export function tellingTest(view: ClusterView, vm: VmId): PointProof | undefined {
  const last = lastTest(view, vm);
  return last?.passed === false ? last : lastProof(view, vm);
}

function newestOf(proofs: readonly PointProof[]): PointProof | undefined {
  return proofs.reduce<PointProof | undefined>((last, one) => (last && last.at >= one.at ? last : one), undefined);
}

/** With what its test came to. No proof goes for one that looked for less: whoever looks for it would find less than there was. */
export function withProof(point: Point, proof: PointProof): Point {
  const told = { ...proof, rpoMs: Math.max(0, proof.at - point.at) };
  if (!isChecked(proof)) return { ...point, boot: told };
  const { earlierProofs = [], ...rest } = point;
  const earlier = notLookedForSince(proof, [...(point.proof === null ? [] : [point.proof]), ...earlierProofs]);
  return { ...rest, proof: told, ...(earlier.length === 0 ? {} : { earlierProofs: earlier }) };
}

/** Newest first, those of them that looked for something which no later one did. */
function notLookedForSince(last: PointProof, before: readonly PointProof[]): PointProof[] {
  const seen = new Set(kindsChecked(last));
  return before.filter((proof) => {
    const isMore = kindsChecked(proof).some((kind) => !seen.has(kind));
    for (const kind of kindsChecked(proof)) seen.add(kind);
    return isMore;
  });
}

/** All that stands in the record of this point. */
export function testsOf({ proof, boot, earlier, earlierProofs }: Tests): readonly PointProof[] {
  return [proof ?? [], boot ?? [], earlierProofs ?? [], earlier ?? []].flat();
}

type Tests = Pick<Point, "proof" | "boot" | "earlier" | "earlierProofs">;

/** With what tests of other points came to that are gone. */
export function withEarlier(point: Point, proofs: readonly PointProof[]): Point {
  return keeping(
    point,
    [...(point.earlier ?? []), ...proofs].sort((a, b) => b.at - a.at),
  );
}

/** With what a test came to whose own point went meanwhile: the last one, whatever the clock was put to since the others. */
export function withTestOfGone(point: Point, proof: PointProof): Point {
  return keeping(point, [proof, ...(point.earlier ?? [])]);
}

/** `all`: the last first. Of those that checked something none goes that looked for more than later ones; of the others the last stays. */
function keeping(point: Point, all: readonly PointProof[]): Point {
  const [last, ...before] = all.filter(isChecked);
  const checked = last === undefined ? [] : [last, ...notLookedForSince(last, before)];
  return { ...point, earlier: [...checked, ...all.filter((one) => !isChecked(one)).slice(0, 1)] };
}

/** What came of that very test is on record. */
export function isOnRecord(point: Point, { at }: PointProof): boolean {
  return testsOf(point).some((one) => one.at === at);
}
