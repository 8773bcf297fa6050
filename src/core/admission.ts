import { compareText } from "../base/order.ts";
import type { HostId, VmId } from "../model/ids.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { type Fix, fixFor, liesOnAbsent } from "./admission-fix.ts";
import { needsDevice, poolsOf } from "./fencing.ts";
import type { Wish } from "./placement/asked.ts";
import { reason } from "./placement/fitness.ts";
import type { Knowledge } from "./placement/knowledge.ts";
import { assign, openRound, type PlacementRound } from "./placement/round.ts";
import { select, whereTo } from "./placement/select.ts";
import { votesOf } from "./removal.ts";
import { byStartOrder } from "./start-order.ts";
import { vmIndex } from "./vm-index.ts";

/** The first loss that cannot be borne. */
export type Counterexample = {
  readonly losing: readonly HostId[];
  /** The first VM that would start nowhere; null: none would, whatever it is. */
  readonly vm: VmId | null;
  readonly why: Reason;
  /** One change with which this loss could be borne, tried out; null: none was found. */
  readonly fix: Fix | null;
};

export type Admission = {
  /** Hosts that are there now. */
  readonly hosts: number;
  /** So many of them may be lost at once, whichever they are: every started VM would find a host. */
  readonly bears: number;
  readonly wanted: number;
  /** Whether every combination was looked at, or only the one that takes the most memory. */
  readonly exact: boolean;
  /** Null: no larger loss was looked at. */
  readonly counterexample: Counterexample | null;
};

/** Combinations of lost hosts that are tried one by one; of more, the one whose VMs need the most memory. */
const combinationsMax = 500;
/** The answer is worked out where decisions are made: beyond so many placements only the worst loss of each size is tried. */
const placementsMax = 20_000;

/**
 * PL6: how many host losses the cluster bears now. A loss is borne if the store keeps its majority and the placement of the
 * manager itself, VM after VM, finds a host for each: by memory, rules, pools and networks, and with a proof to be had.
 * `known`: who is there.
 */
export function admissionOf(view: ClusterView, known: Knowledge): Admission {
  const there = openRound(view, known).slots.filter((slot) => slot.away === undefined);
  const hosts = there.map((slot) => slot.host);
  const wanted = (view.policy?.value ?? defaultPolicy).wantedHostLosses;
  const started = startedOn(view, new Set(hosts));
  const running = [...started.values()].reduce((sum, vms) => sum + vms.length, 0);
  // Whether one more than wanted is borne, too, is worth knowing; beyond that nobody asks.
  const most = Math.min(hosts.length, wanted + 1);
  let exact = true;
  for (let losses = 1; losses <= most; losses++) {
    const count = combinationsOf(hosts.length, losses);
    // Each combination places what its hosts run: on average that share of all.
    const whole = count <= combinationsMax && (count * running * losses) / hosts.length <= placementsMax;
    exact &&= whole;
    const tried = whole ? combinations(hosts, losses) : [worst(hosts, started, losses)];
    for (const losing of tried) {
      const counterexample = whyNotBorne(view, known, started, losing);
      if (counterexample !== undefined)
        return { hosts: hosts.length, bears: losses - 1, wanted, exact: whole, counterexample };
    }
  }
  return { hosts: hosts.length, bears: most, wanted, exact, counterexample: null };
}

type Started = ReadonlyMap<HostId, readonly Vm[]>;

/** The VMs that are wanted and held, by host. */
function startedOn(view: ClusterView, hosts: ReadonlySet<HostId>): Started {
  const found = new Map<HostId, Vm[]>();
  for (const host of hosts) {
    const vms: Vm[] = [];
    for (const id of vmIndex(view).heldBy.get(host) ?? []) {
      const vm = view.vms.get(id)?.value;
      const owner = view.owners.get(id)?.value;
      const isHeld = owner?.kind === "held" && fenceOf(view, host, owner.incarnation) === undefined;
      if (isHeld && vm?.requested === "started") vms.push(vm);
    }
    found.set(host, vms);
  }
  return found;
}

function whyNotBorne(
  view: ClusterView,
  known: Knowledge,
  started: Started,
  losing: readonly HostId[],
): Counterexample | undefined {
  const lost = new Set(losing);
  const without = whyNoMajority(view, (host) => !lost.has(host) && known.contacts.has(host), lost);
  if (without !== undefined) return { losing, vm: null, why: without, fix: null };
  const vms = losing.flatMap((host) => started.get(host) ?? []).sort(byStartOrder);
  for (const vm of vms) {
    const unproven = whyNoProof(view, vm, losing);
    if (unproven !== undefined) return { losing, vm: vm.id, ...unproven };
  }
  const after: Knowledge = { ...known, contacts: new Map([...known.contacts].filter(([host]) => !lost.has(host))) };
  const open = (): PlacementRound => openRound(view, after);
  const failed = placeAll(open(), vms);
  if (failed === undefined) return undefined;
  return { losing, vm: failed.vm.id, why: failed.why, fix: fixFor(open, vms, failed.vm, { foreseen: true }) };
}

/**
 * Every VM that would start nowhere once these hosts are lost; undefined: whoever it is, for nobody could decide. As above, one
 * after the other: one that finds no host takes no room from the next.
 */
export function strandedBy(
  view: ClusterView,
  known: Knowledge,
  losing: readonly HostId[],
): ReadonlySet<VmId> | undefined {
  const lost = new Set(losing);
  if (whyNoMajority(view, (host) => !lost.has(host) && known.contacts.has(host), lost) !== undefined) return undefined;
  const contacts = new Map([...known.contacts].filter(([host]) => !lost.has(host)));
  const round = openRound(view, { ...known, contacts });
  const stranded = new Set<VmId>();
  for (const vm of [...startedOn(view, lost).values()].flat().sort(byStartOrder)) {
    const unproven = whyNoProof(view, vm, losing) !== undefined;
    const on = unproven ? undefined : whereTo(round, vm, { preference: "best" });
    if (on === undefined) stranded.add(vm.id);
    else assign(round, vm, on);
  }
  return stranded;
}

/** Why nothing could be decided: of all members, no majority is left. A witness counts as there unless it is lost, too. */
export function whyNoMajority(
  view: ClusterView,
  isThere: (host: HostId) => boolean,
  lost: ReadonlySet<HostId>,
): Reason | undefined {
  const votes = votesOf(view);
  const left = [...view.members.values()].filter(({ value: { id, role, joinsStore } }) => {
    return joinsStore !== true && !lost.has(id) && (role === "witness" || isThere(id));
  }).length;
  return left > votes / 2 ? undefined : reason("PL6", "store-loses-majority", { left, votes });
}

/** Nothing could prove that a lost host is off: its VM would start nowhere (S10). */
export function whyNoProof(
  view: ClusterView,
  vm: Vm,
  losing: readonly HostId[],
): { readonly why: Reason; readonly fix: Fix } | undefined {
  const host = view.owners.get(vm.id)?.value.host;
  const pools = poolsOf(vm, view);
  if (host === undefined || !losing.includes(host) || pools === undefined) return undefined;
  if (!needsDevice(pools) || view.devices.has(host)) return undefined;
  return { why: reason("PL6", "proof-unobtainable", { host }), fix: reason("PL6", "fix-device", { host }) };
}

/** Places the VMs one after the other; undefined: each found a host. */
function placeAll(round: PlacementRound, vms: readonly Vm[]): { readonly vm: Vm; readonly why: Reason } | undefined {
  for (const vm of vms) {
    const on = whereTo(round, vm, { preference: "best" });
    if (on === undefined) return { vm, why: mainReason(round, vm) };
    assign(round, vm, on);
  }
  return undefined;
}

/** What comes closest: the host that lacks the least memory, else the first in order that is there. */
export function mainReason(round: PlacementRound, vm: Vm, how: Pick<Wish, "live"> = {}): Reason {
  const whys = select(round, vm, { ...how, preference: "best" }).alternatives.map(({ why }) => why);
  const short = whys.filter(({ code }) => code === "host-memory-short");
  const freeMiB = ({ params }: Reason): number => Number(params["freeMiB"]);
  const closest = [...short].sort((a, b) => freeMiB(b) - freeMiB(a))[0];
  const there = whys.find(
    ({ code, rule }) => rule !== "PL1" || code.startsWith("pool-") || code.startsWith("network-"),
  );
  const lies = whys.some(({ code }) => code === "volume-elsewhere") ? liesOnAbsent(round, vm) : undefined;
  const disks = lies === undefined ? undefined : reason("PL6", "disks-lie-on-host", { vm: vm.name, lies });
  return closest ?? disks ?? there ?? reason("PL6", "no-host-left", { vm: vm.name });
}

function combinationsOf(n: number, k: number): number {
  let count = 1;
  for (let i = 0; i < k; i++) count = (count * (n - i)) / (i + 1);
  return Math.round(count);
}

function combinations(hosts: readonly HostId[], k: number, from = 0): HostId[][] {
  if (k === 0) return [[]];
  const found: HostId[][] = [];
  for (let i = from; i <= hosts.length - k; i++) {
    const host = hosts[i];
    if (host !== undefined) for (const rest of combinations(hosts, k - 1, i + 1)) found.push([host, ...rest]);
  }
  return found;
}

/** The hosts whose started VMs need the most memory. */
function worst(hosts: readonly HostId[], started: Started, k: number): HostId[] {
  const memoryMiB = (host: HostId): number => (started.get(host) ?? []).reduce((sum, vm) => sum + vm.spec.memoryMiB, 0);
  const byMemory = [...hosts].sort((a, b) => memoryMiB(b) - memoryMiB(a) || compareText(a, b));
  return byMemory.slice(0, k).sort(compareText);
}
