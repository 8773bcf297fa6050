import type { HostId, VmId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HeldOwner } from "../model/records.ts";
import type { Group, Replica, VmCopying } from "../model/replication-records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import type { Door } from "../ports/migration.ts";
import { derived } from "./derived.ts";
import { copiesOn, hostsWithCopies, type Run } from "./replication.ts";

// What a group asks of the two hosts, as it follows from the records alone.

const groupsByVm = derived(["group"], (view: ClusterView): ReadonlyMap<VmId, Group> => {
  const found = new Map<VmId, Group>();
  for (const { value } of view.groups.values()) for (const vm of value.vms) found.set(vm, value);
  return found;
});

/** The group that the VM is in; nobody is in two. */
export function groupOf(view: ClusterView, vm: VmId): Group | undefined {
  return groupsByVm(view).get(vm);
}

/** Its writes are copied elsewhere, or are to be. */
export function isCopied(view: ClusterView, vm: VmId): boolean {
  return groupOf(view, vm) !== undefined || hostsWithCopies(view, vm).length > 0;
}

/** From where to where its writes are copied: after a failover the roles are the other way round. */
export type Protection = { readonly group: Group; readonly from: HostId; readonly to: HostId };

/**
 * Undefined: nobody protects it, or it is on neither of its group's hosts. Also where the group is paused: whether it works
 * is told by `isWorking`.
 */
export function protectionOf(view: ClusterView, vm: VmId): Protection | undefined {
  const group = groupOf(view, vm);
  return group === undefined || view.unreadable.has(keys.group(group.name)) ? undefined : sidesOf(view, group, vm);
}

/** The same for one of this very group. */
export function sidesOf(view: ClusterView, group: Group, vm: VmId): Protection | undefined {
  const at = view.owners.get(vm)?.value.host;
  if (at === group.source) return { group, from: at, to: group.target };
  return at === group.target ? { group, from: at, to: group.source } : undefined;
}

/** It copies: nobody paused it, and both hosts write the same. */
export function isWorking(view: ClusterView, { paused, source, target }: Group): boolean {
  return paused.length === 0 && versionOf(view, source) === versionOf(view, target);
}

/** The version of the daemon there, as it says; `?`: it has not said. */
export function versionOf(view: ClusterView, host: HostId): string {
  return view.facts.get(host)?.value.versions["holdfast"] ?? "?";
}

/** What the records say of all volumes of a VM at one host, for one run; `mixed`: not the same of each. */
export type CopiesState = "none" | "mixed" | Exclude<Replica["state"]["kind"], "surplus">;

export function copiesState(view: ClusterView, vm: VmId, { epoch }: Pick<Run, "epoch">, to: HostId): CopiesState {
  const kinds = new Set(
    copiesOn(view, vm, to).map(({ record }) => {
      const kind = record?.value.epoch === epoch ? record.value.state.kind : "none";
      return kind === "surplus" ? "none" : kind;
    }),
  );
  const [first = "none"] = kinds;
  return kinds.size > 1 ? "mixed" : first;
}

/** Where the copies of this run are received; undefined: not yet, or by a life of that host that is over. */
export function doorsTo(
  view: ClusterView,
  vm: VmId,
  { epoch }: Pick<Run, "epoch">,
  to: HostId,
): readonly Door[] | undefined {
  const present = view.hosts.get(to)?.value.incarnation;
  if (present === undefined || fenceOf(view, to, present) !== undefined) return undefined;
  const all = copiesOn(view, vm, to).map(({ record }) => record?.value.receiver);
  const [first] = all;
  const isOpen = all.every((one) => one != null && one.incarnation === present && one.epoch === epoch);
  return isOpen ? first?.doors : undefined;
}

/** The run whose writes `self` is to receive; undefined: none. */
export function runToReceive(
  view: ClusterView,
  vm: VmId,
  self: HostId,
): (Pick<HeldOwner, "host" | "incarnation" | "epoch"> & { readonly group: Group }) | undefined {
  const protection = protectionOf(view, vm);
  if (protection?.to !== self || !isWorking(view, protection.group)) return undefined;
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind !== "held" || fenceOf(view, owner.host, owner.incarnation) !== undefined) return undefined;
  // Also where what lies here is a branch that nobody else has: it becomes a point before it is written over (S18, `lastToKeep`).
  return { ...owner, group: protection.group };
}

/** Its copy was left behind, and somebody is to say first that it may be brought up to date. */
export function waitsForResume(view: ClusterView, vm: VmId, to: HostId, group: Group): boolean {
  if (group.manualResume !== true) return false;
  const leftAt = lastLeftAt(view, vm, to);
  return leftAt !== undefined && leftAt >= (group.resumedAt ?? 0);
}

/** When the copies at `to` were left behind, if they are. */
export function lastLeftAt(view: ClusterView, vm: VmId, to: HostId): WallMs | undefined {
  const all = copiesOn(view, vm, to).flatMap(({ record }) => {
    return record?.value.state.kind === "stale" ? [record.value.state.at] : [];
  });
  return all.length === 0 ? undefined : (Math.max(...all) as WallMs);
}

/** What its run has said that the copies at `to` lack. How far they were before they were left says nothing of that. */
export function lackedAt(
  view: ClusterView,
  vm: VmId,
  { epoch }: Pick<Run, "epoch">,
  to: HostId,
): VmCopying | undefined {
  const known = view.copyings.get(vm)?.value;
  if (known?.epoch !== epoch || known.to !== to) return undefined;
  return known.at >= (lastLeftAt(view, vm, to) ?? 0) ? known : undefined;
}

/** Its branch was made, and somebody had that deleted. */
export function isForgone(record: Replica | undefined): boolean {
  return record?.state.kind === "diverged" && record.state.forgone === true;
}

export function keepsBranch(record: Replica | undefined): boolean {
  return record?.state.kind === "diverged" && record.state.kept;
}
