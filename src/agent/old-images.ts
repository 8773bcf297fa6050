import { event } from "../core/decision.ts";
import {
  arrivedFor,
  arrivingTransaction,
  giveUpImage,
  hasOldImages,
  imageGone,
  isArriving,
  keptCopies,
  type OldImage,
  oldImages,
} from "../core/local-copies.ts";
import { transaction, unchanged } from "../core/transactions.ts";
import { localDisks } from "../core/volume-place.ts";
import type { Incarnation, StoreKey, VmId } from "../model/ids.ts";
import type { VmMove } from "../model/move-records.ts";
import type { HeldOwner } from "../model/records.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { Building } from "./building.ts";
import { failMove, moveSubject, nameOf } from "./move-parts.ts";
import { type Arrival, type ImageEnd, runKey } from "./state.ts";

// Images in this host's local pools beside those that VMs lie on: before they are made for a move, and until they are gone
// (docs/designs/0005-live-moves.md).

/** Places in the VM's spec of the disks that are copied by a live move. Not there where none is. */
export function copiedDisks(view: ClusterView, move: VmMove): { readonly copied?: readonly number[] } {
  if (move.live?.onCopies === true) return {};
  const vm = view.vms.get(move.vm)?.value;
  const local = vm === undefined ? [] : localDisks(view, vm);
  if (vm === undefined || local.length === 0) return {};
  return { copied: vm.spec.disks.flatMap((disk, i) => (local.includes(disk) ? [i] : [])) };
}

/** Whether its target may make images for this very move: that is on record, and nothing of an earlier one is there. */
export function mayPrepare(building: Building, move: Stored<VmMove>): boolean {
  const { view } = building.happened;
  const { arriving, self } = building.state;
  const { vm } = move.value;
  if (copiedDisks(view, move.value).copied === undefined) return true;
  if (arriving.get(vm) === move.revision && isArriving(view, move.value)) return true;
  if (hasOldImages(view, vm, self)) {
    const kept = keptCopies(view, vm).some(([, { value }]) => value.host === self);
    if (kept) failMove(building, move, "move-old-disks-there", { vm: nameOf(view, vm), host: self });
    return false;
  }
  const registration = view.hosts.get(self);
  if (registration === undefined) return false;
  const commit = arrivingTransaction(view, move, registration);
  if (commit.kind === "refused") return false;
  building.state = { ...building.state, arriving: new Map(arriving).set(vm, move.revision) };
  building.commit(moveSubject(vm), commit.transaction, []);
  return false;
}

/** Removes what nobody needs: first the image, then the record that tells of it. */
export function settleImages(building: Building, incarnation: Incarnation): void {
  const { view, now, wall } = building.happened;
  const { self, arriving, locals, imageEnds } = building.state;
  if (view.replicas.size === 0 && imageEnds.size === 0) return;
  const registration = view.hosts.get(self);
  if (registration?.value.incarnation !== incarnation) return;
  const present = new Set([...locals.values()].filter(({ phase }) => phase !== "gone").map(({ run }) => run.vm));
  const expects = (vm: VmId): boolean => arriving.has(vm) && arriving.get(vm) === view.moves.get(vm)?.revision;
  const all = oldImages(view, self, (vm) => present.has(vm) || expects(vm) || building.busy(moveSubject(vm)));
  forget(building, new Set(all.map(({ key }) => key)));
  for (const image of all) {
    if (image.kind === "orphan") {
      if (!building.busy(image.key)) building.commit(image.key, giveUpImage(image, registration, wall), []);
      continue;
    }
    const known = building.state.imageEnds.get(image.key);
    const isNew = known?.of !== image.record.revision;
    const isDue = known?.stage === "failed" && known.retryAt !== null && now >= known.retryAt;
    if (known !== undefined && !isNew) tellAway(building, image, known);
    if (isNew || isDue) remove(building, image);
    else if (known.stage === "failed" && known.retryAt !== null) building.wakeAt(known.retryAt);
    else if ((known.stage === "removed" || known.stage === "other") && !building.busy(image.key)) {
      const { vm, volume } = image.record.value;
      const params = { vm: nameOf(view, vm), host: self, volume, pool: image.pool.name };
      const told = event(known.stage === "other" ? "disk-left-alone" : "old-disks-removed", { vm, host: self }, params);
      building.commit(image.key, imageGone(image, registration), [told]);
    }
  }
}

/** Whoever has it removed would take it for gone. */
function tellAway(building: Building, { key, record, pool }: OldImage, known: ImageEnd): void {
  const { view } = building.happened;
  const { away } = known;
  if (away === null || away.told || building.busy(key)) return;
  const { self } = building.state;
  const { vm, volume } = record.value;
  const params = { vm: nameOf(view, vm), host: self, volume, pool: pool.name };
  const why = { rule: "S21", code: away.code, params: away.params };
  const told = event("old-disks-not-removed", { vm, host: self }, params, why);
  building.commit(key, transaction([unchanged(key, record)], []), [told]);
  withImage(building, key, { ...known, away: { ...away, told: true } });
}

function remove(building: Building, { key, record, pool }: OldImage): void {
  const known = building.state.imageEnds.get(key);
  const away = known?.of === record.revision ? known.away : null;
  const op = building.op({ kind: "remove-image", runKey: key });
  withImage(building, key, { of: record.revision, stage: "removing", retryAt: null, away });
  const epoch = arrivedFor({ key, record, pool });
  building.effects.push({ kind: "remove-image", op, pool, volume: record.value.volume, arrivedFor: epoch });
}

function withImage(building: Building, key: StoreKey, end: ImageEnd): void {
  building.state = { ...building.state, imageEnds: new Map(building.state.imageEnds).set(key, end) };
}

/** Of images whose records are gone or say something else now, one that is being removed aside. */
function forget(building: Building, present: ReadonlySet<StoreKey>): void {
  const { imageEnds } = building.state;
  const over = [...imageEnds].filter(([key, { stage }]) => !present.has(key) && stage !== "removing");
  if (over.length === 0) return;
  const left = new Map(imageEnds);
  for (const [key] of over) left.delete(key);
  building.state = { ...building.state, imageEnds: left };
}

/**
 * A VM that runs here while disks that it moved away from are still kept is looked at again, until it is seen to live: the
 * agent that let it go on may not have come to it.
 */
export function lookAgain(building: Building): void {
  const { view } = building.happened;
  if (view.replicas.size === 0) return;
  const { self, locals } = building.state;
  for (const { value } of view.replicas.values()) {
    if (value.state.kind !== "stale" || value.state.cause !== "moved" || value.host === self) continue;
    const owner = view.owners.get(value.vm)?.value;
    if (owner?.kind !== "held" || owner.host !== self || building.state.arrivals.has(value.vm)) continue;
    const run = runOf(value.vm, owner);
    if (locals.get(runKey(run))?.phase !== "running" || building.busy(`arrived ${value.vm}`)) continue;
    const arrival: Arrival = { run, health: null, told: true, tookMs: null, silence: null };
    const arrivals = new Map(building.state.arrivals).set(value.vm, arrival);
    building.state = { ...building.state, arrivals };
  }
}

function runOf(vm: VmId, { incarnation, epoch }: HeldOwner) {
  return { vm, incarnation, epoch };
}
