import type { HostId, PoolId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { HostFacts, Vm } from "../model/records.ts";
import { copyUnderWay } from "./copy-under-way.ts";
import { reason } from "./placement/fitness.ts";
import { assign, type PlacementRound, type Slot } from "./placement/round.ts";
import { whereTo, whyUnfit } from "./placement/select.ts";
import { groupOf } from "./replication-duty.ts";
import { compileRules } from "./rules/rule-book.ts";
import { liesOn, localNeeds } from "./volume-place.ts";

/** A change that a person could make, as a code with its words. */
export type Fix = Reason;

/** What the VMs are to do besides finding a host. */
type How = {
  /** They are to leave this one: it is no place for them. */
  readonly emptied?: HostId;
  /** They go as they run, and take disks in local pools along. */
  readonly live?: boolean;
  /** It has not happened yet: what has to be done before may help. */
  readonly foreseen?: boolean;
};

/** Hosts that are tried with more memory, those with the most room first. */
const hostsTriedMax = 16;

/**
 * The one change with which all of `vms` would find a host, tried out by placing them again: that the copies under way are complete,
 * more memory on one host (the least of all hosts), one rule less, a pool or network where the first of them misses it, room in a pool
 * that its disks come to, a group that would have copied its disks, or a host less in maintenance. Null: none of these does, or they
 * find one as it is.
 */
export function fixFor(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How = {}): Fix | null {
  if (fitsAll(open(), vms, how)) return null;
  return (
    copyComplete(open, vms, failed, how) ??
    moreMemory(open, vms, how) ??
    oneRuleLess(open, vms, failed, how) ??
    whatIsMissing(open, vms, failed, how) ??
    moreRoom(open, vms, failed, how) ??
    copiesElsewhere(open, vms, failed, how) ??
    oneHostReleased(open, vms, how) ??
    null
  );
}

/** Nobody has to do anything: copies that are under way count as if they were complete. One of a lost host is none any more. */
function copyComplete(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How): Fix | undefined {
  const { view } = open();
  const host = how.foreseen === true ? copyUnderWay(view, failed.id) : undefined;
  if (host === undefined) return undefined;
  const isPlaced = canPlaceOn(open(), (vm) => copyUnderWay(view, vm.id));
  return vms.every(isPlaced) ? reason("S17", "fix-copy-complete", { vm: failed.name, host }) : undefined;
}

/** Places one VM after the other, each on the host that would have a whole copy of its local disks, where there is one. */
function canPlaceOn(round: PlacementRound, copiedTo: (vm: Vm) => HostId | undefined): (vm: Vm) => boolean {
  return (vm) => {
    const copied = copiedTo(vm);
    const isFit = copied !== undefined && whyUnfit(round, withoutLocalDisks(round, vm), copied) === undefined;
    const on = copied === undefined ? whereTo(round, vm, { preference: "best" }) : isFit ? copied : undefined;
    if (on !== undefined) assign(round, vm, on);
    return on !== undefined;
  };
}

/** With its disks there, too, they are no question any more. */
function withoutLocalDisks({ view }: PlacementRound, vm: Vm): Vm {
  const needs = localNeeds(view, vm);
  return { ...vm, spec: { ...vm.spec, disks: vm.spec.disks.filter(({ pool }) => !needs.has(pool)) } };
}

function moreMemory(open: () => PlacementRound, vms: readonly Vm[], how: How): Fix | undefined {
  const freeMiB = ({ facts, load }: Slot): number => (facts?.memoryForVmsMiB ?? 0) - load.memoryMiB;
  const there = open().slots.filter((slot) => slot.away === undefined && slot.closed === undefined);
  const tried = there.sort((a, b) => freeMiB(b) - freeMiB(a) || a.order - b.order).slice(0, hostsTriedMax);
  let best: { readonly host: HostId; readonly mib: number } | undefined;
  for (const { host } of tried) {
    const mib = shortOn(open(), vms, host, how);
    if (mib !== undefined && (best === undefined || mib < best.mib)) best = { host, mib };
  }
  return best === undefined ? undefined : reason("PL6", "fix-more-memory", best);
}

/** What `host` lacks if it takes every VM that finds no other host; undefined: memory there is not all that is missing. */
function shortOn(round: PlacementRound, vms: readonly Vm[], host: HostId, { live }: How): number | undefined {
  const slot = round.slotOf.get(host);
  if (slot?.facts === undefined) return undefined;
  // The same loads and choices, and room without end on this host.
  const roomy = withFacts(round, host, { ...slot.facts, memoryForVmsMiB: Number.MAX_SAFE_INTEGER });
  for (const vm of vms) {
    const on = whereTo(round, vm, { preference: "best", live });
    if (on === undefined && whyUnfit(roomy, vm, host, { live }) !== undefined) return undefined;
    assign(round, vm, on ?? host);
  }
  return Math.max(0, slot.load.memoryMiB - slot.facts.memoryForVmsMiB);
}

function fitsAll(round: PlacementRound, vms: readonly Vm[], { live }: How): boolean {
  for (const vm of vms) {
    const on = whereTo(round, vm, { preference: "best", live });
    if (on === undefined) return false;
    assign(round, vm, on);
  }
  return true;
}

function oneRuleLess(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How): Fix | undefined {
  const { view, book } = open();
  const hosts = new Set(view.members.keys());
  for (const rule of book.rulesOf(failed.id)) {
    const others = [...view.rules].flatMap(([id, stored]) => (id === rule ? [] : [stored.value]));
    const round = { ...open(), book: compileRules(others, hosts) };
    if (fitsAll(round, vms, how)) return reason("PL6", "fix-without-rule", { rule });
  }
  return undefined;
}

function whatIsMissing(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How): Fix | undefined {
  const first = open();
  for (const { host } of first.slots) {
    const code = whyUnfit(first, failed, host, { live: how.live })?.code ?? "";
    if (code === "pool-short" || !/^(?:pool|network)-/u.test(code)) continue;
    const { facts } = first.slotOf.get(host) ?? {};
    if (facts === undefined) continue;
    const round = withFacts(open(), host, complete(facts, failed));
    if (fitsAll(round, vms, how)) return reason("PL6", "fix-pools-and-networks", { host, vm: failed.name });
  }
  return undefined;
}

/** Where its disks would come along, and find no room for themselves. */
function moreRoom(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How): Fix | undefined {
  const first = open();
  for (const { host, facts } of first.slots) {
    const why = whyUnfit(first, failed, host, { live: how.live });
    if (facts === undefined || why?.code !== "pool-short") continue;
    const { pool, neededMiB, freeMiB } = why.params;
    const pools = facts.pools.map((one) => (one.pool === pool ? { ...one, freeMiB: Number(neededMiB) } : one));
    if (fitsAll(withSlot(open(), host, { facts: { ...facts, pools } }), vms, how))
      return reason("PL6", "fix-more-room", { host, pool: String(pool), mib: Number(neededMiB) - Number(freeMiB) });
  }
  return undefined;
}

/** The host on which its local disks lie, where that one is not there. */
export function liesOnAbsent({ view, slotOf }: PlacementRound, vm: Vm): HostId | undefined {
  const lies = liesOn(view, vm);
  return lies !== undefined && slotOf.get(lies)?.away !== undefined ? lies : undefined;
}

/** Nobody can copy what is lost already. */
function copiesElsewhere(open: () => PlacementRound, vms: readonly Vm[], failed: Vm, how: How): Fix | undefined {
  const first = open();
  const { view } = first;
  const from = liesOnAbsent(first, failed);
  if (how.foreseen !== true || from === undefined || groupOf(view, failed.id) !== undefined) return undefined;
  const needs = localNeeds(view, failed);
  for (const { host, facts } of first.slots) {
    if (facts === undefined || !hasRoom(facts, needs)) continue;
    const isPlaced = canPlaceOn(open(), (vm) => (vm.id === failed.id ? host : undefined));
    if (vms.every(isPlaced)) return reason("PL6", "fix-group", { vm: failed.name, from, host });
  }
  return undefined;
}

function hasRoom({ pools }: HostFacts, needs: ReadonlyMap<PoolId, number>): boolean {
  return [...needs].every(([pool, neededMiB]) => {
    const found = pools.find((other) => other.pool === pool);
    return found !== undefined && found.unfit === null && found.removable !== true && found.freeMiB >= neededMiB;
  });
}

function oneHostReleased(open: () => PlacementRound, vms: readonly Vm[], how: How): Fix | undefined {
  const held = open().slots.filter(({ host, away }) => host !== how.emptied && away?.code === "host-in-maintenance");
  for (const { host } of held)
    if (fitsAll(withSlot(open(), host, { away: undefined, left: undefined }), vms, how))
      return reason("PL6", "fix-release-host", { host });
  return undefined;
}

function complete(facts: HostFacts, { spec }: Vm): HostFacts {
  const pools = spec.disks.map(({ pool }) => ({ pool, capacityMiB: 0, freeMiB: 0, unfit: null }));
  const networks = spec.nics.map(({ network }) => ({ network, bridge: "", unfit: null }));
  return { ...facts, pools: [...pools, ...facts.pools], networks: [...networks, ...facts.networks] };
}

function withFacts(round: PlacementRound, host: HostId, facts: HostFacts): PlacementRound {
  return withSlot(round, host, { facts });
}

function withSlot(round: PlacementRound, host: HostId, change: Partial<Slot>): PlacementRound {
  const slots = round.slots.map((slot) => (slot.host === host ? { ...slot, ...change } : slot));
  return {
    ...round,
    slots,
    slotOf: new Map(slots.map((slot) => [slot.host, slot])),
    lacks: new Map(),
    nowhere: new Map(),
  };
}
