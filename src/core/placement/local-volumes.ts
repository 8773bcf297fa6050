import type { HostId, WallMs } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { HostFacts, Vm } from "../../model/records.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { acceptedLossOf } from "../accepted-loss.ts";
import { whyNotLiveTo } from "../cpu.ts";
import { movesLive } from "../moves.ts";
import { type PolicyLoss, policyLoss, sealsLast } from "../replication-cycles.ts";
import { protectionOf } from "../replication-duty.ts";
import { wholeCopies } from "../replication-usable.ts";
import { liesOn, localNeeds } from "../volume-place.ts";
import { reason } from "./fitness.ts";

/** How it comes to leave where it is. */
export type Leaving = {
  /** A guest that runs may take its local volumes along; anything else finds them only where they lie. */
  readonly live?: boolean | undefined;
  /** It runs and is stopped for this: the host of its copies in cycles gets one more (S25). */
  readonly stops?: boolean | undefined;
  /** When the host that it ran on was lost, or is about to be: copies in cycles count as far as its group allows (S25). */
  readonly lostAt?: WallMs | undefined;
};

/** A VM with volumes in local pools, as placement has to see it. */
export type LocalVolumes = {
  readonly lies: HostId;
  /** Hosts whose copies have every acknowledged write, or will have: from there it starts as from where it lies (S17, S25). */
  readonly copies: readonly HostId[];
  /** The host whose copy is of its last cycle, and what is lost by going on from it (S25). */
  readonly behind: PolicyLoss | undefined;
  /** MiB by pool that it takes along; undefined: it can be only where they lie. */
  readonly needs: ReturnType<typeof localNeeds> | undefined;
  readonly whyCpu: (to: HostId) => Reason | undefined;
};

/**
 * Undefined: its disks can be seen from everywhere.
 */
export function localVolumes(view: ClusterView, vm: Vm, { live, stops, lostAt }: Leaving): LocalVolumes | undefined {
  const lies = liesOn(view, vm);
  if (lies === undefined) return undefined;
  const owner = view.owners.get(vm.id)?.value;
  const runs = owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) === undefined;
  const moves = live === true && runs && movesLive(view, vm, owner, "migrate");
  const needs = moves ? localNeeds(view, vm) : undefined;
  const behind = lostAt === undefined ? undefined : policyLoss(view, vm.id, lostAt);
  const last = stops === true ? protectionOf(view, vm.id)?.to : undefined;
  const sealed = last !== undefined && sealsLast(view, vm.id, last) ? [last] : [];
  return {
    lies,
    copies: [...copiesToTake(view, vm), ...sealed],
    behind,
    needs,
    whyCpu: (to) => whyNotLiveTo(view, vm, to),
  };
}

/** Why its disks cannot be on `host`, room aside; undefined: they lie there, or can be taken along. */
export function whyVolumesNot(local: LocalVolumes, host: HostId): Reason | undefined {
  const { lies, behind, needs, whyCpu } = local;
  if (isAt(local, host)) return undefined;
  if (behind?.host === host) {
    const { seconds, limitS } = behind;
    if (behind.accepted !== undefined) return undefined;
    return reason("S25", "replica-behind-limit", { host, seconds, limitS: limitS ?? "none" });
  }
  return needs === undefined ? reason("PL1", "volume-elsewhere", { host, lies }) : whyCpu(host);
}

/** Of disks that can be taken along: what the host's pools have no room for. */
export function whyVolumesShort(local: LocalVolumes, host: HostId, facts: HostFacts | undefined): Reason | undefined {
  if (isAt(local, host) || local.behind?.host === host) return undefined;
  for (const [pool, neededMiB] of local.needs ?? []) {
    const freeMiB = facts?.pools.find((other) => other.pool === pool)?.freeMiB ?? 0;
    if (neededMiB > freeMiB) return reason("PL1", "pool-short", { host, pool, neededMiB, freeMiB });
  }
  return undefined;
}

function isAt({ lies, copies }: LocalVolumes, host: HostId): boolean {
  return lies === host || copies.includes(host);
}

/** Those that a person has ordered to be taken with what they lack stand beside those that lack nothing (S18). */
function copiesToTake(view: ClusterView, vm: Vm): readonly HostId[] {
  const ordered = acceptedLossOf(view, vm.id);
  const whole = wholeCopies(view, vm.id);
  return ordered === undefined ? whole : [...whole, ordered.to];
}
