import type { HostId, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type GoBack, isBranch, type Point } from "../model/point-records.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { copiesOn } from "./replication.ts";
import { usability } from "./replication-usable.ts";

// A VM goes on from an earlier moment than the last that its copies hold: by an order, at a start (S20).

/**
 * Undefined: there is none of that name at this host, it is a branch, which lies beside what the VM could start from, or neither
 * the VM nor copies of it are recorded there.
 */
export function pointToStartFrom(view: ClusterView, vm: VmId, host: HostId, id: string): Stored<Point> | undefined {
  const found = view.points.get(keys.point(vm, id));
  if (found === undefined || found.value.host !== host || isBranch(found.value.origin)) return undefined;
  const lies = view.owners.get(vm)?.value.host === host;
  return lies || copiesOn(view, vm, host).some(({ record }) => record !== undefined) ? found : undefined;
}

/** What the owner record says of it from then on. */
export function goBackTo(view: ClusterView, vm: VmId, { host, id }: Point, at: WallMs): GoBack {
  const owner = view.owners.get(vm)?.value;
  const name = { point: id, id: `left-${at}` };
  // What lies there is what an earlier order left, which nobody has carried out.
  if (owner?.host === host) return { ...name, keeps: owner.back?.keeps ?? true };
  const use = usability(view, vm, host);
  // What a cycle that is not sealed has left is no moment that there was (S25), nor is what is half copied.
  const isMoment = use.kind === "whole" || (use.kind === "lossy" && use.code !== "replica-behind");
  return { ...name, keeps: isMoment };
}

/** Somebody ordered a start from it, which nobody has done yet: it stays. */
export function isAwaited(view: ClusterView, vm: VmId, point: string): boolean {
  return [view.owners.get(vm)?.value.back?.point, orderedPoint(view, vm)].includes(point);
}

/** S20: it runs, and a person wants it to go back: its host stops it in order. Not where the point cannot be started from any more. */
export function isToGoBack(view: ClusterView, vm: VmId): boolean {
  const order = view.orders.get(vm)?.value.order;
  if (order?.kind !== "promote" || order.stops !== true || order.point === undefined) return false;
  const known = view.vms.get(vm)?.value;
  if (known === undefined || known.lock !== null || known.requested === "ignored") return false;
  return pointToStartFrom(view, vm, order.to, order.point) !== undefined;
}

/** By its name; undefined: nobody ordered that, or it is done. */
export function orderedPoint(view: ClusterView, vm: VmId): string | undefined {
  const order = view.orders.get(vm)?.value.order;
  return order?.kind === "promote" ? order.point : undefined;
}
