import { inKeyOrder } from "../base/order.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { isDeletedVm, lastNoteOf } from "../core/point-vm.ts";
import {
  changePointsTransaction,
  isLastMoment,
  isOnRecord,
  newestPoint,
  pointsOf,
  recordChanges,
  testDue,
  unwantedPoints,
  vmsWithPointsAt,
  withProof,
  withTestOfGone,
} from "../core/points.ts";
import { groupOf, protectionOf } from "../core/replication-duty.ts";
import { transaction, unchanged } from "../core/transactions.ts";
import { type Incarnation, later, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type ProofCheck, proofWord } from "../model/point-proof.ts";
import type { PointIntent } from "../model/records.ts";
import { fenceOf } from "../model/view.ts";
import type { PointsOf } from "../ports/replication.ts";
import type { Building } from "./building.ts";
import { nameOf } from "./move-parts.ts";
import { isPointWorking, proofParams, testedPoints, withPoints } from "./note-points.ts";
import { openWishes, refuseWish } from "./point-wishes.ts";
import { volumesOf } from "./receiving.ts";

// The host where recovery points lie: it thins them out, reads them and tests them, and its word of what lies here is what is
// on record.

const toldAs = { proven: "point-proven", booted: "point-booted", failed: "point-test-failed" } as const;
/** How many changes of records one transaction takes. */
const changesMax = 40;

export function settleKeeping(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self, replicas } = building.state;
  // What is fenced records nothing any more, and would be refused as fast as it asks.
  if (view.hosts.get(self)?.value.incarnation !== incarnation || fenceOf(view, self, incarnation) !== undefined) return;
  const vms = new Set(vmsWithPointsAt(view, self));
  for (const [vm, { doors }] of replicas.receiving) if (doors !== null) vms.add(vm);
  for (const vm of [...vms].sort()) settleVm(building, vm);
  recordProofs(building);
  carryOut(building);
}

function settleVm(building: Building, vm: VmId): void {
  const { view, now } = building.happened;
  const { self, replicas, points } = building.state;
  const isTarget = protectionOf(view, vm)?.to === self;
  // After this host's start nothing is known of what lies here until it is received again.
  if (isTarget && replicas.receiving.get(vm)?.doors == null) return;
  if (isPointWorking(building.state, vm, ["list-points", "drop-point"])) return;
  const askAt = points.askAt.get(vm);
  const found = points.found.get(vm);
  if (askAt === undefined || found === undefined || now >= askAt) {
    list(building, vm);
    return;
  }
  building.wakeAt(askAt);
  const unwanted = isTarget ? nextUnwanted(building, vm, found.points) : undefined;
  if (unwanted !== undefined) drop(building, vm, unwanted, undefined);
  else record(building, vm, found);
  if (isTarget) testInTime(building, vm);
}

function nextUnwanted({ happened: { view }, state }: Building, vm: VmId, found: readonly Listed[]): string | undefined {
  const held = testedPoints(state, vm);
  return unwantedPoints(view, groupOf(view, vm), vm, state.self, found).find((id) => !held.has(id));
}

function list(building: Building, vm: VmId): void {
  const { points } = building.state;
  const op = building.op({ kind: "list-points", runKey: vm, about: { vm, point: "" } });
  const asked = new Map(points.asked).set(vm, building.happened.view.revision);
  building.state = withPoints(building.state, { asked });
  building.effects.push({ kind: "list-points", op, of: disksOf(building, vm) });
}

function drop(building: Building, vm: VmId, point: string, wish: PointIntent | undefined): void {
  const intent = wish === undefined ? {} : { intent: wish.id };
  const op = building.op({ kind: "drop-point", runKey: vm, about: { vm, point }, ...intent });
  building.effects.push({ kind: "drop-point", op, of: disksOf(building, vm), point });
}

function disksOf({ happened: { view } }: Building, vm: VmId): PointsOf {
  if (!isDeletedVm(view, vm)) return { vm, volumes: volumesOf(view, view.vms.get(vm)?.value.spec.disks) ?? [] };
  return { vm, volumes: volumesOf(view, lastNoteOf(view, vm)?.disks) ?? [], isGone: true };
}

function record(
  building: Building,
  vm: VmId,
  found: { readonly points: readonly Listed[]; readonly asked: number },
): void {
  const { view } = building.happened;
  const { self } = building.state;
  const registration = view.hosts.get(self);
  const subject = `points ${vm}`;
  if (registration === undefined || building.busy(subject)) return;
  const changes = recordChanges(view, vm, self, found.points, found.asked).slice(0, changesMax);
  if (changes.length > 0) building.commit(subject, changePointsTransaction(vm, self, registration, changes), []);
}

type Listed = Parameters<typeof recordChanges>[3][number];

function testInTime(building: Building, vm: VmId): void {
  const { view, wall, now } = building.happened;
  const { self, points } = building.state;
  const group = groupOf(view, vm);
  const retryAt = points.testsFrom.get(vm);
  const due = group === undefined ? undefined : testDue(view, group, vm, self, wall);
  const test = group?.points?.test;
  if (due === undefined || test == null || points.proofs.has(vm)) return;
  if (isPointWorking(building.state, vm, ["prove-point"])) return;
  // One that is farther away is of a schedule that somebody has changed since.
  const isOfThis = retryAt !== undefined && retryAt <= later(now, Math.max(test.everyMs, limits.proofRetryMs));
  if (isOfThis && now < retryAt) building.wakeAt(retryAt);
  else prove(building, vm, { point: due.id, checks: test.checks, limitMs: test.limitMs }, undefined);
}

type Test = { readonly point: string; readonly checks: readonly ProofCheck[]; readonly limitMs: number };

function prove(building: Building, id: VmId, { point, checks, limitMs }: Test, wish: PointIntent | undefined): void {
  const vm = building.happened.view.vms.get(id)?.value;
  if (vm === undefined) return;
  const intent = wish === undefined ? {} : { intent: wish.id };
  const at = building.happened.view.points.get(keys.point(id, point))?.value.at;
  const about = { vm: id, point, ...(at === undefined ? {} : { at }) };
  const op = building.op({ kind: "prove-point", runKey: id, about, ...intent });
  building.effects.push({ kind: "prove-point", op, request: { vm, point, checks, limitMs } });
}

/** What a test failover came to stands with its point, or, where that is gone, with the newest. */
function recordProofs(building: Building): void {
  const { view } = building.happened;
  const { self } = building.state;
  for (const [vm, proof] of inKeyOrder(building.state.points.proofs)) {
    const all = pointsOf(view, vm).filter(({ value }) => value.host === self);
    const own = view.points.get(keys.point(vm, proof.point));
    // Its point is gone, as cycles go while a guest boots: the newest one says it.
    const before = own ?? newestPoint(view, vm, self) ?? all.at(-1);
    const registration = view.hosts.get(self);
    const isOver = before === undefined || all.some(({ value }) => isOnRecord(value, proof));
    const told = event(toldAs[proofWord(proof)], { vm, host: self }, proofParams(view, vm, proof, self));
    if (isOver || registration === undefined) {
      // No point is left: what came of the test is said all the same.
      if (before === undefined && registration !== undefined && !building.busy(`points ${vm}`))
        building.commit(`points ${vm}`, transaction([unchanged(keys.host(self), registration)], []), [told]);
      const left = new Map(building.state.points.proofs);
      left.delete(vm);
      building.state = withPoints(building.state, { proofs: left });
    } else if (!building.busy(`points ${vm}`)) {
      const after = own === undefined ? withTestOfGone(before.value, proof) : withProof(before.value, proof);
      const change = { before, after };
      building.commit(`points ${vm}`, changePointsTransaction(vm, self, registration, [change]), [told]);
    }
  }
}

/** Wishes for points that lie here. */
function carryOut(building: Building): void {
  const { view } = building.happened;
  for (const wish of openWishes(building, "drop")) {
    if (isPointWorking(building.state, wish.vm, ["list-points", "drop-point"])) continue;
    const { point } = wish.wish;
    if (!isThere(building, wish, point)) continue;
    // It may have become the last one since the wish was made.
    if (isLastMoment(view, wish.vm, wish.host, point))
      refuseWish(building, wish, "point-needed", { vm: nameOf(view, wish.vm), point, host: wish.host });
    else drop(building, wish.vm, point, wish);
  }
  for (const wish of openWishes(building, "export")) {
    const { point, folder } = wish.wish;
    if (!isThere(building, wish, point)) continue;
    const op = building.op({
      ...{ kind: "export-point", runKey: wish.vm, about: { vm: wish.vm, point }, intent: wish.id },
    });
    building.effects.push({ kind: "export-point", op, of: disksOf(building, wish.vm), point, folder });
  }
  for (const wish of openWishes(building, "test")) {
    if (isPointWorking(building.state, wish.vm, ["prove-point"])) continue;
    if (!isThere(building, wish, wish.wish.point)) continue;
    if (view.vms.has(wish.vm)) prove(building, wish.vm, wish.wish, wish);
    else refuseWish(building, wish, "vm-gone", { vm: wish.vm });
  }
}

function isThere(building: Building, wish: PointIntent, point: string): boolean {
  const { view } = building.happened;
  const isOne = pointsOf(view, wish.vm).some(({ value }) => value.id === point && value.host === building.state.self);
  if (!isOne) refuseWish(building, wish, "replica-point-absent", { vm: nameOf(view, wish.vm), point });
  return isOne;
}
