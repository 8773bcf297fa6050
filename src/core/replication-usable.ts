import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Owner } from "../model/records.ts";
import type { Replica } from "../model/replication-records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { type Copy, copiesOn, hostsWithCopies } from "./replication.ts";

/**
 * What a start of the VM from the copies of one host would mean. `whole`: no acknowledged write is missing. `lossy`: all
 * after `since` is missing (null: nobody can say), so that only an order that states it may do it. `unusable`: no guest
 * could make sense of it, whoever orders it.
 */
export type Usability =
  | { readonly kind: "whole" }
  | { readonly kind: "lossy"; readonly code: LossCode; readonly since: WallMs | null }
  | { readonly kind: "unusable"; readonly code: "replica-absent" | "replica-incomplete" };
type LossCode =
  | "replica-stale"
  | "replica-by-host"
  | "replica-behind"
  | "replica-earlier-run"
  | "replica-diverged"
  | "replica-unknown";

/** The worst of its volumes counts: a VM starts from all of them. */
export function usability(view: ClusterView, vm: VmId, host: HostId): Usability {
  return worstOf(view, vm, host, (copy, owner) => isLost(owner, view) && isByHost(copy, owner));
}

/** As it will be once the VM's host is proven gone, where that host cannot be asked: never more than will be true then (S23). */
export function usabilityOnceLost(view: ClusterView, vm: VmId, host: HostId): Usability {
  return worstOf(view, vm, host, (copy, owner) => isByHost(copy, owner) || isTakenUnsaid(copy));
}

/** Some of the VM's copies at this host are of that kind. */
export function startsUnsaid(view: ClusterView, vm: VmId, host: HostId): boolean {
  return copiesOn(view, vm, host).some(({ record }) => record !== undefined && isTakenUnsaid(record.value));
}

/** A person took it by a takeover although only the lost host could say whether it has everything (S23). */
export function isTakenUnsaid({ state }: Replica): boolean {
  return state.kind === "in-sync" && state.unsaid === true;
}

type Unsaid = (copy: Replica, owner: Owner | undefined) => boolean;

function worstOf(view: ClusterView, vm: VmId, host: HostId, isUnsaid: Unsaid): Usability {
  const owner = view.owners.get(vm)?.value;
  const found = copiesOn(view, vm, host).map((copy) => usabilityOf(copy, owner, isUnsaid));
  if (found.length === 0 || owner === undefined) return { kind: "unusable", code: "replica-absent" };
  return found.reduce((worst, one) => (rank(one) > rank(worst) ? one : worst));
}

function usabilityOf({ record }: Copy, owner: Owner | undefined, isUnsaid: Unsaid): Usability {
  const state = record?.value.state;
  if (record === undefined || state === undefined) return { kind: "unusable", code: "replica-absent" };
  switch (state.kind) {
    case "copying":
    case "surplus":
      return { kind: "unusable", code: "replica-incomplete" };
    case "in-sync":
      if (isUnsaid(record.value, owner)) return { kind: "lossy", code: "replica-by-host", since: null };
      // S14, S18: said of an earlier run, it says nothing about what was written since.
      if (record.value.epoch === owner?.epoch) return { kind: "whole" };
      return { kind: "lossy", code: "replica-earlier-run", since: null };
    case "stale":
      if (!state.whole) return { kind: "unusable", code: "replica-incomplete" };
      return { kind: "lossy", code: "replica-stale", since: state.at };
    case "sealed":
      // S25: the run that it was the last cycle of has ended, and no other one has begun.
      if (state.whole === true && owner?.kind === "released" && record.value.epoch === owner.epoch)
        return { kind: "whole" };
      return { kind: "lossy", code: "replica-behind", since: state.at };
    case "diverged":
      return { kind: "lossy", code: "replica-diverged", since: null };
    case "unknown":
      return { kind: "lossy", code: "replica-unknown", since: null };
  }
}

/** Only the host of this very run can say whether it went on without this copy (S23). */
function isByHost({ state, epoch }: Replica, owner: Owner | undefined): boolean {
  return state.kind === "in-sync" && state.byHost === true && owner?.kind === "held" && owner.epoch === epoch;
}

/** It cannot say anything any more. */
function isLost(owner: Owner | undefined, view: ClusterView): boolean {
  if (owner?.kind !== "held") return false;
  const { host, incarnation } = owner;
  return view.hosts.get(host)?.value.incarnation !== incarnation || fenceOf(view, host, incarnation) !== undefined;
}

function rank(one: Usability): number {
  if (one.kind === "whole") return 0;
  if (one.kind === "unusable") return 3;
  return one.since === null ? 2 : 1;
}

/** Hosts from whose copies nothing would be lost, in the order of their ids: the only ones for a failover by itself. */
export function wholeCopies(view: ClusterView, vm: VmId): readonly HostId[] {
  return hostsWithCopies(view, vm).filter((host) => usability(view, vm, host).kind === "whole");
}
