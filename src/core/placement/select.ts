import type { HostId } from "../../model/ids.ts";
import type { Alternative, Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { alternativesTo } from "./alternatives.ts";
import { type Asked, ask, type Wish, whyNot } from "./asked.ts";
import { choose } from "./choose.ts";
import { reason } from "./fitness.ts";
import { kindOf, type PlacementRound } from "./round.ts";
import { seatsOf } from "./seats.ts";

export type Placement =
  | { readonly kind: "place"; readonly on: HostId; readonly alternatives: readonly Alternative[] }
  | { readonly kind: "nowhere"; readonly alternatives: readonly Alternative[] };

/**
 * Where a VM runs from here on (PL2): of the hosts that can take it (PL1) and that the rules allow, those of the highest
 * class; where one of its own is, or where it went from or is, before the best score (PL4). Hosts on which it failed come
 * last of all (PL3). A VM that is held stays wherever nobody asks its host to be left. Each host that lost says why.
 */
export function select(round: PlacementRound, vm: Vm, wish: Wish): Placement {
  const asked = ask(round, vm, wish);
  const alike = alikeTo(asked);
  const before = alike === undefined ? undefined : round.nowhere.get(alike);
  if (before !== undefined) return { kind: "nowhere", alternatives: before };
  const choice = choose(round, asked);
  if (choice === undefined) {
    const alternatives = alternativesTo(round, asked, choice);
    if (alike !== undefined) round.nowhere.set(alike, alternatives);
    return { kind: "nowhere", alternatives };
  }
  const on = choice.on.host;
  if (choice.by !== "stay" || !asked.held)
    return { kind: "place", on, alternatives: alternativesTo(round, asked, choice) };
  // Of the many that stay hardly anybody asks why.
  return {
    kind: "place",
    on,
    get alternatives() {
      return alternativesTo(round, asked, choice);
    },
  };
}

/** VMs that are alike find no host alike: that they need, and what they may use, is the same. */
function alikeTo({ vm, wish, ruled, failedHosts, seats, local }: Asked): string | undefined {
  const special =
    ruled || failedHosts.length > 0 || seats.length > 0 || wish.without !== undefined || local !== undefined;
  return special ? undefined : `${vm.spec.memoryMiB} ${kindOf(vm.spec)}`;
}

export type Manner = Pick<Wish, "live" | "stops"> & {
  /** There or nowhere: also where it is in quarantine. */
  readonly orNowhere?: boolean;
};

/** What an order to move a VM says of how it gets there. */
export function mannerOfOrder(kind: "migrate" | "relocate"): Manner {
  return kind === "migrate" ? { live: true } : { stops: true };
}

/**
 * Why this very host cannot take the VM now, classes and scores aside; undefined: it can (PL1, PL2). `live`: its guest runs,
 * and is to go there as it is; `stops`: it is stopped for it by an order.
 */
export function whyUnfit(
  round: PlacementRound,
  vm: Vm,
  host: HostId,
  { orNowhere = false, ...how }: Manner = {},
): Reason | undefined {
  const slot = round.slotOf.get(host);
  if (slot === undefined) return reason("PL1", "host-never-registered", { host });
  return whyNot(round, { ...ask(round, vm, { preference: "best", ...how }), lastResort: orNowhere }, slot);
}

/**
 * Why `host` cannot take all of them at once, as they are: for one of them alone, or for their memory together; undefined: it
 * can (PL1).
 */
export function whyUnfitForAll(
  round: PlacementRound,
  vms: readonly Vm[],
  host: HostId,
  how: Manner,
): Reason | undefined {
  for (const vm of vms) {
    const why = whyUnfit(round, vm, host, how);
    if (why !== undefined) return why;
  }
  const coming = vms.filter(({ id }) => !seatsOf(round.view, id, round.aims.get(id)).includes(host));
  const neededMiB = coming.reduce((sum, { spec }) => sum + spec.memoryMiB, 0);
  const slot = round.slotOf.get(host);
  const freeMiB = Math.max(0, (slot?.facts?.memoryForVmsMiB ?? 0) - (slot?.load.memoryMiB ?? 0));
  return neededMiB > freeMiB ? reason("PL1", "host-memory-short", { host, freeMiB, neededMiB }) : undefined;
}

/** Whether `select` would find a host, without the reasons. */
export function whereTo(round: PlacementRound, vm: Vm, wish: Wish): HostId | undefined {
  return choose(round, ask(round, vm, wish))?.on.host;
}
