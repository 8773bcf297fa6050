import { inKeyOrder } from "../base/order.ts";
import type { HostId, WallMs } from "../model/ids.ts";
import type { Alternative, Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { mainReason } from "./admission.ts";
import { type Fix, fixFor } from "./admission-fix.ts";
import { poolsOf, proveGone } from "./fencing.ts";
import { fixOfCopy } from "./foresee/copies-lost.ts";
import { isAwaited } from "./host-standing.ts";
import { isBetweenHosts } from "./migration.ts";
import type { Wish } from "./placement/asked.ts";
import { reason } from "./placement/fitness.ts";
import { knowledgeOf } from "./placement/imagine.ts";
import { openRound, type PlacementRound } from "./placement/round.ts";
import { select, whereTo } from "./placement/select.ts";
import { hostLostAt } from "./replication-cycles.ts";
import { vmError } from "./vm-error.ts";
import { lostVms, vmIndex } from "./vm-index.ts";

/** Of a VM that is wanted and that nobody has: why no host takes it now (PL1). Undefined: one does, or it has one. */
export function whyStartWaits(
  view: ClusterView,
  vm: Vm,
  isHeard: (host: HostId) => boolean,
  at: WallMs,
): Reason | undefined {
  if (vm.requested !== "started" || view.owners.get(vm.id)?.value.kind === "held") return undefined;
  const open = opening(view, isHeard, at);
  return whereTo(open(), vm, { preference: "best" }) === undefined ? mainReason(open(), vm) : undefined;
}

/** Why a VM that is wanted runs nowhere, as it stands now; never what was said of it some time ago. */
export type Down = {
  readonly why: Reason;
  /** The one change that would help; null: none was found. */
  readonly fix: Fix | null;
  /** What keeps each host from it. */
  readonly alternatives: readonly Alternative[];
};

/** Undefined: it is not wanted, a host has it, or one is about to. Its error and a disarmed cluster are told elsewhere. */
export function whyDown(view: ClusterView, vm: Vm, isHeard: (host: HostId) => boolean, at: WallMs): Down | undefined {
  return downIn(view, vm, opening(view, isHeard, at), at);
}

export type DownVm = { readonly vm: Vm; readonly down: Down };

/** All that are down, in order of their ids, and how many more there are than `most`. */
export function vmsDown(
  view: ClusterView,
  isHeard: (host: HostId) => boolean,
  at: WallMs,
  most: number,
): { readonly told: readonly DownVm[]; readonly more: number } {
  const waiting = new Set([...vmIndex(view).unsettled, ...lostVms(view)]);
  if (waiting.size === 0) return { told: [], more: 0 };
  const open = opening(view, isHeard, at);
  const round = open();
  const found = inKeyOrder(view.vms).flatMap(([id, { value: vm }]) => {
    return waiting.has(id) && whyKept(view, vm, round) !== undefined ? [vm] : [];
  });
  const told = found.slice(0, most).flatMap((vm) => {
    const down = downIn(view, vm, open, at);
    return down === undefined ? [] : [{ vm, down }];
  });
  return { told, more: found.length - told.length };
}

function opening(view: ClusterView, isHeard: (host: HostId) => boolean, at: WallMs): () => PlacementRound {
  const heard = new Set([...view.hosts.keys()].filter(isHeard));
  return () => openRound(view, knowledgeOf(view, heard, at));
}

function downIn(view: ClusterView, vm: Vm, open: () => PlacementRound, at: WallMs): Down | undefined {
  const why = whyKept(view, vm, open());
  if (why === undefined) return undefined;
  // Not for want of a host.
  if (notNowhere.has(why.code)) return { why, fix: fixBeside(view, why), alternatives: [] };
  const { alternatives } = select(open(), vm, wishOf(view, vm));
  const fix = fixFor(open, [vm], vm) ?? fixOfCopy(view, vm, hostLostAt(view, vm.id) ?? at) ?? fixBeside(view, why);
  return { why, fix, alternatives };
}

const notNowhere: ReadonlySet<string> = new Set(["proof-missing", "vm-locked", "vm-waits-for-host"]);

/** In the order in which the manager asks (S14, S10). */
function whyKept(view: ClusterView, vm: Vm, round: PlacementRound): Reason | undefined {
  const owner = view.owners.get(vm.id)?.value;
  if (vm.requested !== "started" || view.disarm !== undefined || vmError(view, vm.id) !== undefined) return undefined;
  if (isBetweenHosts(view, vm.id)) return undefined;
  if (owner?.kind === "held") {
    if (fenceOf(view, owner.host, owner.incarnation) === undefined) return undefined;
    const unproven = whyUnproven(view, vm, owner);
    if (unproven !== undefined) return unproven;
  } else {
    if (vm.lock !== null) return reason("S14", "vm-locked", { vm: vm.name, lock: vm.lock.kind });
    if (owner !== undefined && isAwaited(view, owner.host))
      return reason("HM4", "vm-waits-for-host", { vm: vm.name, host: owner.host });
  }
  return whereTo(round, vm, wishOf(view, vm)) === undefined ? mainReason(round, vm) : undefined;
}

function whyUnproven(view: ClusterView, vm: Vm, { host, incarnation }: HeldOwner): Reason | undefined {
  const pools = poolsOf(vm, view);
  if (pools !== undefined && proveGone(view, host, incarnation, pools) !== undefined) return undefined;
  return reason("S10", "proof-missing", { vm: vm.name, host, incarnation, device: view.devices.has(host) });
}

/** As the manager asks of one whose host is lost, or of one that nobody has. */
function wishOf(view: ClusterView, vm: Vm): Wish {
  const owner = view.owners.get(vm.id)?.value;
  if (owner?.kind !== "held") return { preference: "best" };
  const lives = (view.hosts.get(owner.host)?.value.incarnation ?? 0) > owner.incarnation;
  return { preference: "best", without: lives ? undefined : owner.host, lostAt: hostLostAt(view, vm.id) };
}

/** Its own host would do: where its disks lie, or of which nothing else can prove that it is off. */
function fixBeside(view: ClusterView, { code, params }: Reason): Fix | null {
  const host = code === "disks-lie-on-host" ? params["lies"] : code === "proof-missing" ? params["host"] : undefined;
  if (host === undefined || (code === "proof-missing" && view.devices.has(host as HostId))) return null;
  return reason("PL6", "fix-host-back", { host });
}
