import type { HostId, PoolId, VmId } from "../model/ids.ts";
import { isBranch, type Point } from "../model/point-records.ts";
import type { Replica } from "../model/replication-records.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { pointsOf } from "./points.ts";
import { copiesOn } from "./replication.ts";
import { isForgone, keepsBranch, protectionOf } from "./replication-duty.ts";

// What copies hold before they are written over: whether it becomes a point, and what room it takes beside what comes there (S18, S20).

/**
 * S18, S20: before the copies at `host` are written over, what they hold is to be kept: they had everything at one moment, or
 * are what is left of a run. Undefined: what lies there is of no use to anybody.
 */
export function lastToKeep(view: ClusterView, vm: VmId, host: HostId): LastMoment | undefined {
  const all = copiesOn(view, vm, host).map(({ record }) => record);
  const words = all.map((record) => {
    const state = record?.value.state;
    if (state?.kind === "in-sync") return `${record?.value.epoch}`;
    if (state?.kind === "diverged") return `${record?.value.epoch} left ${state.at}`;
    return state?.kind === "stale" && state.whole ? `${record?.value.epoch} until ${state.at}` : undefined;
  });
  if (words.length === 0 || words.some((word) => word === undefined)) return undefined;
  const id = leftIdOf(all[0]?.value);
  if (all.every((record) => isForgone(record?.value))) return undefined;
  const isLeft = all.some((record) => record?.value.state.kind === "diverged");
  const origin = all.some((record) => keepsBranch(record?.value)) ? "branch-kept" : isLeft ? "branch" : "resync";
  // Two images of a disk take the room of two: what nobody needs is written over where there is none.
  if (origin === "branch" && roomLacking(view, vm, host) !== undefined) return undefined;
  return { word: words.join(), origin, id };
}

function leftIdOf(record: Replica | undefined): string | undefined {
  return record?.state.kind === "diverged" ? `b${record.epoch}-${record.state.at}` : undefined;
}

/**
 * S18: of the copies at `host`, whose branch this very point is: with its deletion nobody makes it anew, whichever agent comes
 * later. Empty: it is no branch of what lies there now.
 */
export function copiesForgoneWith(view: ClusterView, { vm, host, id }: Point): readonly Stored<Replica>[] {
  const all = copiesOn(view, vm, host).flatMap(({ record }) => record ?? []);
  if (leftIdOf(all[0]?.value) !== id) return [];
  return all.filter(({ value }) => value.state.kind === "diverged" && value.state.forgone !== true);
}

export type LastMoment = {
  /** Names the moment. */
  readonly word: string;
  readonly origin: "resync" | "branch" | "branch-kept";
  /** Of a branch: by what was left and when, so that it is made once, whichever agent asks for it. */
  readonly id: string | undefined;
};

/** `freeMiB`: what is left of it beside copies that begin before this one, or have begun and may still grow. */
export type RoomLacking = { readonly pool: PoolId; readonly neededMiB: number; readonly freeMiB: number };

/**
 * S18: of a branch with acknowledged writes that nobody else has, the room that a second image beside it lacks; undefined: it is there,
 * or nothing is to lie beside it any more because somebody had the branch deleted. Copied all the same, the pool would be full for
 * everybody who writes there.
 */
export function lacksRoomBeside(view: ClusterView, vm: VmId, host: HostId): RoomLacking | undefined {
  const isKept = copiesOn(view, vm, host).some(({ record }) => keepsBranch(record?.value));
  const isBeside = pointsOf(view, vm).some(({ value }) => value.host === host && value.origin === "branch-kept");
  return isKept && isBeside ? roomLacking(view, vm, host) : undefined;
}

/** All at once are back with their host: each has the room that those before it leave. */
function roomLacking(view: ClusterView, vm: VmId, host: HostId): RoomLacking | undefined {
  const free = new Map<PoolId, number>();
  for (const { pool, freeMiB } of view.facts.get(host)?.value.pools ?? []) free.set(pool, freeMiB);
  const here = [...view.vms.keys()].filter((id) => protectionOf(view, id)?.to === host).sort();
  // These have begun, whatever of it is in the facts already.
  for (const id of here) if (isGrowingBeside(view, id, host)) takeRoom(view, id, free);
  for (const id of here) {
    if (id === vm) break;
    const waits = copiesOn(view, id, host).some(({ record }) => isToLieBeside(record?.value));
    if (waits && shortOf(view, id, free) === undefined) takeRoom(view, id, free);
  }
  return shortOf(view, vm, free);
}

function isGrowingBeside(view: ClusterView, vm: VmId, host: HostId): boolean {
  const isCopying = copiesOn(view, vm, host).some(({ record }) => record?.value.state.kind === "copying");
  return isCopying && pointsOf(view, vm).some(({ value }) => value.host === host && isBranch(value.origin));
}

function isToLieBeside(record: Replica | undefined): boolean {
  return record?.state.kind === "diverged" && !isForgone(record);
}

function shortOf(view: ClusterView, vm: VmId, free: ReadonlyMap<PoolId, number>): RoomLacking | undefined {
  for (const [pool, freeMiB] of free) {
    const neededMiB = sizeIn(view, vm, pool);
    if (neededMiB > freeMiB) return { pool, neededMiB, freeMiB };
  }
  return undefined;
}

/** A pool that is full by that has nothing left, and is not owed any. */
function takeRoom(view: ClusterView, vm: VmId, free: Map<PoolId, number>): void {
  for (const [pool, freeMiB] of free) free.set(pool, Math.max(0, freeMiB - sizeIn(view, vm, pool)));
}

function sizeIn(view: ClusterView, vm: VmId, pool: PoolId): number {
  const disks = view.vms.get(vm)?.value.spec.disks ?? [];
  return disks.reduce((sum, disk) => sum + (disk.pool === pool ? disk.sizeMiB : 0), 0);
}
