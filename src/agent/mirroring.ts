import { assert } from "../base/assert.ts";
import { inKeyOrder, valuesInKeyOrder } from "../base/order.ts";
import { isSame } from "../base/same.ts";
import { event } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { figuresToRecord } from "../core/link-figures.ts";
import {
  copiesOn,
  copyingTransaction,
  hostsWithCopies,
  inSyncTransaction,
  mayGoOnAlone,
  staleTransaction,
} from "../core/replication.ts";
import {
  type CopiesState,
  copiesState,
  doorsTo,
  isWorking,
  keepsBranch,
  lastLeftAt,
  type Protection,
  protectionOf,
  waitsForResume,
} from "../core/replication-duty.ts";
import { mayResync } from "../core/switchover.ts";
import { put, transaction, unchanged } from "../core/transactions.ts";
import { type HostId, type Incarnation, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { EventDraft } from "../model/records.ts";
import type { VmCopying } from "../model/replication-records.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Door } from "../ports/migration.ts";
import { forgetNotes, goByHost, noteOf } from "./alone.ts";
import { type Building, isNamed } from "./building.ts";
import { leftSubject, noteLeftByOrder } from "./copy-tries.ts";
import { attachRequest } from "./mirror-request.ts";
import { nameOf } from "./move-parts.ts";
import { isReplicaWorking, leftInVain, withMirror, withReplicas } from "./note-replicas.ts";
import { isLastKept } from "./point-taking.ts";
import { type Mirror, newMirror } from "./replica-state.ts";
import { forgetAlone, isLeftForBoth, votesByTwo } from "./second-commit.ts";
import { type Local, runKey } from "./state.ts";

// The host whose VMs are copied: what is owed to each run's copy follows from the records, and from what its relay told.

/** Attaches copies, leaves them behind, and brings them up to date (S16, S17). */
export function settleMirrors(building: Building, incarnation: Incarnation): void {
  if (!building.state.replicas.listed) return;
  for (const mirror of valuesInKeyOrder(building.state.replicas.mirrors)) settleLeft(building, mirror);
  for (const local of valuesInKeyOrder(building.state.locals)) {
    const { run, phase, moving } = local;
    if (run.incarnation !== incarnation || !isNamed(building.happened.view, building.state.self, run)) continue;
    // While it is being moved its writes wait for its copy as ever; once it is handed over this one does not own it.
    const isLeaving = phase === "moving" && moving?.part === "leaving";
    if (phase === "running" || phase === "paused" || isLeaving) settleRun(building, local);
    else if (phase === "stopping") settleStopping(building, local);
  }
  forgetNotes(building);
  writeCopying(building);
}

/** A relay whose run is over: nobody counts on what it would copy, by the epoch of the owner record (S14). */
function settleLeft(building: Building, mirror: Mirror): void {
  const { state, happened } = building;
  const key = runKey(mirror.run);
  const local = state.locals.get(key);
  if (local !== undefined && local.phase !== "gone") return;
  // An adoption is on its way, or what runs here is not known yet.
  if (local === undefined && isNamed(happened.view, state.self, mirror.run)) return;
  if (!isReplicaWorking(state, key, "resync") && isDue(building, mirror)) step(building, "detach", mirror);
}

type Here = {
  readonly local: Local;
  readonly to: HostId;
  /** Undefined: no write is copied now. */
  readonly protection: Protection | undefined;
  /** Each write is to be copied again once its group goes on. */
  readonly isPaused: boolean;
  readonly copies: CopiesState;
  readonly doors: readonly Door[] | undefined;
};

function settleRun(building: Building, local: Local): void {
  const { run } = local;
  const key = runKey(run);
  const mirror = building.state.replicas.mirrors.get(key);
  const protection = protectionOf(building.happened.view, run.vm);
  const to = protection?.to ?? copiedTo(building, run);
  // While the record of it is on its way, for as long as nobody takes it.
  if (mirror !== undefined && to !== undefined) goByHost(building, mirror, to);
  if (building.busy(replicaSubject(run.vm))) return;
  if (to === undefined) {
    const isFree = mirror !== undefined && !isReplicaWorking(building.state, key) && isDue(building, mirror);
    if (isFree && isLeftForBoth(building, run, building.state.self, () => undefined)) step(building, "detach", mirror);
    return;
  }
  const here = hereOf(building, local, to, protection);
  if (mirror !== undefined) settleMirror(building, here, mirror);
  else settleUnmirrored(building, here);
}

/** Where nobody protects it any more. */
function copiedTo({ state, happened }: Building, { vm }: VmRun): HostId | undefined {
  return hostsWithCopies(happened.view, vm).find((host) => host !== state.self);
}

function hereOf({ happened: { view } }: Building, local: Local, to: HostId, protection: Protection | undefined): Here {
  const { run } = local;
  const isMirrored = protection?.group.mode.kind === "synchronous";
  const works = isMirrored && isWorking(view, protection.group) ? protection : undefined;
  return {
    local,
    to,
    protection: works,
    isPaused: isMirrored && works === undefined,
    copies: copiesState(view, run.vm, run, to),
    doors: works === undefined ? undefined : doorsTo(view, run.vm, run, to),
  };
}

/** S16: what a guest writes as it shuts down waits no longer than anything else; nothing is begun for it any more. */
function settleStopping(building: Building, local: Local): void {
  const { run } = local;
  const mirror = building.state.replicas.mirrors.get(runKey(run));
  const protection = protectionOf(building.happened.view, run.vm);
  const to = protection?.to ?? copiedTo(building, run);
  if (mirror === undefined || to === undefined || mirror.ended) return;
  goByHost(building, mirror, to);
  if (building.busy(replicaSubject(run.vm))) return;
  const here = hereOf(building, local, to, protection);
  if (here.copies === "stale" && mirror.told !== "alone") goOnAlone(building, here, mirror);
  else if (here.copies !== "stale" && mirror.waits) record(building, here, "silent");
}

/** Nothing is copied yet: recorded first, then begun. */
function settleUnmirrored(building: Building, here: Here): void {
  const { local, copies, doors, protection } = here;
  const { run } = local;
  const key = runKey(run);
  // It counts on a copy to which nothing is written any more.
  if (copies === "in-sync") {
    record(building, here, "failed");
    return;
  }
  // What is promised of its last cycle is taken back before anything else is written over it (S25).
  if (protection !== undefined && isSealed(building, here)) {
    commit(building, here, copyingTransaction(building.happened.view, run.vm, runOf(building, here), here.to), []);
    return;
  }
  // The relay of an earlier run of it goes first: QEMU's jobs bear the same names.
  const isLeft = [...building.state.replicas.mirrors.values()].some((other) => other.run.vm === run.vm);
  if (protection === undefined || doors === undefined || isLeft || waits(building, key)) return;
  if (building.state.heart === "lost" || building.state.heart.frozen) return;
  if (copies !== "copying") {
    if (!isLastKept(building, run, here.to, doors)) return;
    commit(building, here, copyingTransaction(building.happened.view, run.vm, runOf(building, here), here.to), []);
    return;
  }
  const op = building.op({ kind: "attach", runKey: key });
  building.state = withMirror(building.state, newMirror(run, "attaching", doors));
  const request = attachRequest(building.happened.view, run.vm, protection.group, here.to, doors);
  building.effects.push({ kind: "attach", op, run, request });
}

function isSealed({ happened }: Building, { local, to }: Here): boolean {
  return copiesOn(happened.view, local.run.vm, to).some(({ record }) => record?.value.state.kind === "sealed");
}

function settleMirror(building: Building, here: Here, mirror: Mirror): void {
  const { copies, doors, protection } = here;
  const key = runKey(mirror.run);
  // What lies there is of another run: it is neither brought up to date nor counted on, and copied to anew later (S18, S24).
  const isBranch = copiesOn(building.happened.view, mirror.run.vm, here.to).some(({ record }) =>
    keepsBranch(record?.value),
  );
  const isCounted = copies !== "stale" && copies !== "none" && !isBranch;
  if (!here.isPaused) tellLeft(building, here, mirror);
  if (isCounted) forgetAlone(building, mirror.run.vm);
  if (mirror.ended || protection === undefined || isBranch) {
    if (isCounted) record(building, here, mirror.ended ? "failed" : "order");
    // What is written meanwhile is noted, as over a link that was cut, and nothing else has to be copied later (S16).
    else if (here.isPaused && copies === "stale" && !mirror.ended && !isBranch) stayAlone(building, here, mirror);
    // What it was told to do lasts until it is gone.
    else if (!isReplicaWorking(building.state, key, "resync") && isDue(building, mirror) && mayLeave(building, here))
      step(building, "detach", mirror);
    return;
  }
  // Where nothing is sent, or tried, other doors are news for the next attempt alone.
  const isTried = mirror.told !== "alone" && mirror.doors !== null;
  const isMoved = isTried && doors !== undefined && !isSame(mirror.doors, doors);
  const isAlone = mirror.told === "alone" || noteOf(building.state, mirror.run)?.isThere === true;
  const mustLeave = copies === "mixed" || copies === "none" || (copies === "in-sync" && isAlone);
  if (copies !== "stale" && (mirror.waits || isMoved || mustLeave)) record(building, here, "silent");
  else if (copies === "stale" && mirror.told !== "alone") goOnAlone(building, here, mirror);
  else if (copies === "stale") comeBack(building, here, mirror);
  else if (copies === "copying") catchUp(building, here, mirror);
  // Told by an earlier agent: from here on this one knows that each write waits for the copy.
  else if (copies === "in-sync" && mirror.told === "unknown") sendOn(building, mirror, doors);
}

function stayAlone(building: Building, here: Here, mirror: Mirror): void {
  if (mirror.told !== "alone") {
    goOnAlone(building, here, mirror);
    return;
  }
  // By order: nobody has to be told that its copy does not answer; and whether it does is asked anew once that is over.
  const isNoted = mirror.byOrder && !mirror.untold && !mirror.reached;
  if (isNoted) return;
  // Once it goes on it is tried at once: whoever pauses it may have seen to what was in the way.
  const left: Mirror = { ...mirror, untold: false, reached: false, byOrder: true, retryAt: null };
  building.state = withMirror(noteLeftByOrder(building.state, mirror.run), left);
}

/** S16: only with the stale record in the view; asserted here again, because nothing after it asks. */
function goOnAlone(building: Building, here: Here, mirror: Mirror): void {
  const key = runKey(mirror.run);
  if (isReplicaWorking(building.state, key, "resync") || !isDue(building, mirror)) return;
  if (!mayLeave(building, here)) return;
  const { view } = building.happened;
  assert(
    mayGoOnAlone(view, mirror.run.vm, runOf(building, here), here.to),
    () => `Cannot let ${key} go on alone: its copy on ${here.to} is not recorded as stale`,
  );
  step(building, "go-on-alone", mirror);
}

function mayLeave(building: Building, here: Here): boolean {
  return isLeftForBoth(building, here.local.run, here.to, () => record(building, here, "silent"));
}

/** The copy's host answers: from the commit on the copy is of no use until it has everything again (S17). */
function comeBack(building: Building, here: Here, mirror: Mirror): void {
  const { doors, protection } = here;
  if (doors === undefined && mirror.byOrder) building.state = withMirror(building.state, leftInVain(mirror));
  if (doors === undefined || isReplicaWorking(building.state, runKey(mirror.run)) || !isDue(building, mirror)) return;
  const { view } = building.happened;
  if (protection !== undefined && waitsForResume(view, mirror.run.vm, here.to, protection.group)) return;
  const { vm } = mirror.run;
  // It was handed over, and what lies there is not what it left: only all of it makes a copy (S15, S21).
  if (!mayResync(building.happened.view, vm, here.to)) step(building, "detach", mirror);
  else if (mirror.reached) {
    if (!isLastKept(building, mirror.run, here.to, doors)) return;
    commit(building, here, copyingTransaction(building.happened.view, vm, runOf(building, here), here.to), []);
  } else {
    const op = building.op({ kind: "reach", runKey: runKey(mirror.run) });
    building.effects.push({ kind: "reach", op, run: mirror.run, doors });
  }
}

function catchUp(building: Building, here: Here, mirror: Mirror): void {
  const { doors } = here;
  if (isReplicaWorking(building.state, runKey(mirror.run)) || !isDue(building, mirror)) return;
  if (mirror.told !== "mirror") sendOn(building, mirror, doors);
  else if (mirror.confirmed) recordInSync(building, here, mirror);
  else if (mirror.copied) step(building, "confirm", mirror);
}

function sendOn(building: Building, mirror: Mirror, doors: readonly Door[] | undefined): void {
  if (doors === undefined || isReplicaWorking(building.state, runKey(mirror.run)) || !isDue(building, mirror)) return;
  const op = building.op({ kind: "resync", runKey: runKey(mirror.run) });
  building.state = withMirror(building.state, { ...mirror, told: "unknown", doors, confirmed: false, copied: false });
  building.effects.push({ kind: "resync", op, run: mirror.run, doors });
}

function recordInSync(building: Building, here: Here, { run }: Mirror): void {
  const { view } = building.happened;
  const params = { vm: nameOf(view, run.vm), host: here.to };
  const told = event("replica-in-sync", { vm: run.vm, host: building.state.self }, params);
  // What was noted of it before is forgotten first: it would say that this copy lacks something, too.
  if (noteOf(building.state, run) !== undefined) return;
  const byHost = building.state.replicas.mayNote && votesByTwo(building, run);
  commit(building, here, inSyncTransaction(view, run.vm, runOf(building, here), here.to, byHost), [told]);
}

/** Without an event: whatever else waits to be told must not keep the guest waiting. */
function record(building: Building, here: Here, cause: "silent" | "failed" | "order"): void {
  const { view, wall } = building.happened;
  const { run } = here.local;
  const since = noteOf(building.state, run)?.at ?? wall;
  commit(building, here, staleTransaction(view, run.vm, runOf(building, here), here.to, cause, since), []);
}

function commit(
  building: Building,
  here: Here,
  made: ReturnType<typeof inSyncTransaction>,
  told: readonly EventDraft[],
): void {
  if (made.kind === "commit") building.commit(replicaSubject(here.local.run.vm), made.transaction, told);
}

function tellLeft(building: Building, { to, copies }: Here, mirror: Mirror): void {
  const { view } = building.happened;
  const { vm } = mirror.run;
  const subject = leftSubject(vm);
  if (!mirror.untold || copies !== "stale" || building.busy(subject)) return;
  const params = { vm: nameOf(view, vm), host: to };
  const told = event("replica-left-behind", { vm, host: building.state.self }, params);
  building.state = withMirror(building.state, { ...mirror, untold: false });
  building.commit(subject, transaction([unchanged(keys.owner(vm), view.owners.get(vm))], []), [told]);
}

function step(building: Building, kind: "go-on-alone" | "confirm" | "detach", { run }: Mirror): void {
  const op = building.op({ kind, runKey: runKey(run) });
  building.effects.push({ kind, op, run });
}

function runOf({ state }: Building, { local }: Here) {
  const { incarnation, epoch } = local.run;
  return { host: state.self, incarnation, epoch };
}

function isDue(building: Building, { retryAt }: Mirror): boolean {
  if (retryAt === null || building.happened.now >= retryAt) return true;
  building.wakeAt(retryAt);
  return false;
}

function waits(building: Building, key: string): boolean {
  const at = building.state.replicas.retries.get(key);
  if (at === undefined || building.happened.now >= at) return false;
  building.wakeAt(at);
  return true;
}

export function replicaSubject(vm: Local["run"]["vm"]): string {
  return `replica ${vm}`;
}

/** How far copies are, for people: what nobody looks at is not written. */
function writeCopying(building: Building): void {
  const { state, happened } = building;
  if (happened.now < state.replicas.progressAt) return;
  let wrote = false;
  for (const [, { run, progress, link, told }] of inKeyOrder(state.replicas.mirrors)) {
    const { vm, epoch } = run;
    const to = protectionOf(happened.view, vm)?.to;
    const before = happened.view.copyings.get(vm);
    if (progress === null || to === undefined || building.busy(`copying ${vm}`)) continue;
    if (!isNamed(happened.view, state.self, run)) continue;
    const leftAt = lastLeftAt(happened.view, vm, to);
    // How far it was before is not what it lacks.
    if (leftAt !== undefined && told !== "alone") continue;
    const { percent, mibPerSecond, remainingMiB } = progress;
    const next: VmCopying = {
      ...{ schema: 1, epoch, to, at: happened.wall },
      ...{ percent: Math.floor(percent), mibPerSecond: rounded(mibPerSecond), remainingMiB: rounded(remainingMiB) },
      link: figuresToRecord(before?.value.link, link),
    };
    const isOld = before === undefined || before.value.at < (leftAt ?? 0);
    if (!isOld && isSame({ ...before.value, at: 0 }, { ...next, at: 0 })) continue;
    const owner = unchanged(keys.owner(vm), happened.view.owners.get(vm));
    const key = keys.vmCopying(vm);
    building.commit(`copying ${vm}`, transaction([owner, unchanged(key, before)], [put(key, next)]), []);
    wrote = true;
  }
  if (!wrote) return;
  const progressAt = later(happened.now, limits.replicaProgressMs);
  building.state = withReplicas(building.state, { progressAt });
}

function rounded(figure: number): number {
  return Math.round(figure * 10) / 10;
}
