import { compareText, inKeyOrder } from "../base/order.ts";
import type { HostId, RuleId, StoreKey, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { RemovedHost } from "../model/removal-records.ts";
import type { HostAffinityRule } from "../model/rules.ts";
import type { Transaction } from "../model/transaction.ts";
import { type ClusterView, heartbeatOf, type Stored } from "../model/view.ts";
import { put, transaction, unchanged } from "./transactions.ts";
import { vmIndex } from "./vm-index.ts";
import { liesOn } from "./volume-place.ts";

// HM7: a host that is no member any more.

/** It was put out and is not taken back: it manages nothing, and nothing is asked of it. */
export function isRemoved(view: ClusterView, host: HostId): boolean {
  return view.removals.has(host) && !view.members.has(host);
}

/** Members of the store that count for its majority, by the records: also of a removed host that has not left it yet. */
export function votesOf(view: ClusterView): number {
  const members = [...view.members.values()].filter(({ value }) => value.joinsStore !== true).length;
  return members + leavingStore(view).length;
}

/** Removed hosts whose members still have to be taken out of the store. */
export function leavingStore(view: ClusterView): readonly RemovedHost[] {
  return inKeyOrder(view.removals).flatMap(([, { value }]) => (value.store === "voting" ? [value] : []));
}

/** `self` manages, and is to take its member out of the store. */
export function isToTakeOut(view: ClusterView, host: HostId, self: HostId): boolean {
  return view.term?.value.host === self && view.removals.get(host)?.value.store === "voting";
}

/** Undefined: that is said already. */
export function leftStoreTransaction(view: ClusterView, host: HostId): Transaction | undefined {
  const stored = view.removals.get(host);
  if (stored?.value.store !== "voting") return undefined;
  const key = keys.removedHost(host);
  return transaction([unchanged(key, stored)], [put<RemovedHost>(key, { ...stored.value, store: "left" })]);
}

/** It was taken back and is heard as a new life: only now its member may put its data aside and join the store (S23). */
export function joinsStore(view: ClusterView, self: HostId): boolean {
  const member = view.members.get(self)?.value;
  if (member?.joinsStore !== true) return false;
  const incarnation = view.hosts.get(self)?.value.incarnation;
  return member.role === "witness" || (incarnation !== undefined && heartbeatOf(view, self, incarnation) !== undefined);
}

/** It votes again; undefined: that is said already. */
export function joinedStoreTransaction(view: ClusterView, self: HostId): Transaction | undefined {
  const stored = view.members.get(self);
  if (stored?.value.joinsStore !== true) return undefined;
  const { joinsStore: _, ...member } = stored.value;
  return transaction([unchanged(keys.member(self), stored)], [put(keys.member(self), member)]);
}

/** Everything of others that names a host. */
export type Ties = {
  /** By name: those that it holds, in whatever life; those whose disks lie there alone; those that move from it or to it. */
  readonly held: readonly string[];
  readonly disks: readonly string[];
  readonly moves: readonly string[];
  readonly groups: readonly string[];
  readonly rules: readonly Stored<HostAffinityRule>[];
  /** Copies and recovery points that lie there: keys with what stands under them. */
  readonly copies: readonly (readonly [StoreKey, Stored<unknown>])[];
  readonly points: readonly (readonly [StoreKey, Stored<unknown>])[];
};

export function tiesOf(view: ClusterView, host: HostId): Ties {
  const name = (vm: VmId): string => view.vms.get(vm)?.value.name ?? vm;
  const names = (vms: Iterable<VmId>): readonly string[] => [...vms].map(name).sort(compareText);
  const moves = [...view.moves.values()].filter(({ value }) => value.from === host || value.to === host);
  const groups = inKeyOrder(view.groups).filter(([, { value }]) => value.source === host || value.target === host);
  const lying = [...view.vms.values()].filter(({ value }) => liesOn(view, value) === host);
  return {
    held: names(vmIndex(view).heldBy.get(host) ?? []),
    disks: names(lying.map(({ value }) => value.id)),
    moves: names(moves.map(({ value }) => value.vm)),
    groups: groups.map(([group]) => group),
    rules: inKeyOrder(view.rules).flatMap(([, stored]) => (namesHost(stored, host) ? [stored] : [])),
    copies: inKeyOrder(view.replicas).filter(([, { value }]) => value.host === host),
    points: inKeyOrder(view.points).filter(([, { value }]) => value.host === host),
  };
}

function namesHost(
  stored: { readonly value: { readonly kind: string } },
  host: HostId,
): stored is Stored<HostAffinityRule> {
  const rule = stored.value as HostAffinityRule;
  return rule.kind === "host-affinity" && rule.hosts.some((one) => one.host === host);
}

/** Rules that name nobody else go with the host. */
export function emptiedBy({ rules }: Ties): readonly RuleId[] {
  return rules.flatMap(({ value }) => (value.hosts.length === 1 ? [value.id] : []));
}
