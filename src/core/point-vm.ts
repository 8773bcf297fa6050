import type { VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Point } from "../model/point-records.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import { pointsOf } from "./points.ts";

// Recovery points outlive their VM: what is known of it then is what stands with them.

export type PointVm = {
  readonly id: VmId;
  /** Of a deleted one: its last. */
  readonly name: string;
  readonly isDeleted: boolean;
};

/** One of which a record cannot be read is not deleted. */
export function isDeletedVm(view: ClusterView, vm: VmId): boolean {
  const known = [keys.vm(vm), keys.owner(vm)];
  return !view.vms.has(vm) && !view.owners.has(vm) && !known.some((key) => view.unreadable.has(key));
}

/** As it was when it was last noted with one of its points. */
export function lastNoteOf(view: ClusterView, vm: VmId): Point["vmAs"] {
  return pointsOf(view, vm).findLast(({ value }) => value.vmAs !== undefined)?.value.vmAs;
}

export function pointVm(view: ClusterView, id: VmId): PointVm {
  const name = view.vms.get(id)?.value.name ?? lastNoteOf(view, id)?.name ?? id;
  return { id, name, isDeleted: isDeletedVm(view, id) };
}

/** A deleted VM with points, by its id or its last name; undefined: there is none. Names are given again: then the id says which. */
export function findDeletedVm(view: ClusterView, wanted: string): PointVm | Refusal | undefined {
  const ids = new Set([...view.points.values()].map(({ value }) => value.vm));
  const deleted = [...ids].filter((id) => isDeletedVm(view, id)).map((id) => pointVm(view, id));
  const found = deleted.filter(({ id, name }) => id === wanted || name === wanted);
  if (found.length < 2) return found[0];
  const all = found.map(({ id }) => id).sort();
  return refuse("point-vm-several", { vm: wanted, ids: all.join(", ") });
}
