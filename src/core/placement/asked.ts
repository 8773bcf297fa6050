import type { HostId, VmId } from "../../model/ids.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { fenceOf } from "../../model/view.ts";
import { reason } from "./fitness.ts";
import { type Leaving, type LocalVolumes, localVolumes, whyVolumesNot, whyVolumesShort } from "./local-volumes.ts";
import { type Reach, reachOf } from "./reach.ts";
import { homeOf, lacksFor, type PlacementRound, type Slot } from "./round.ts";
import { seatOf, seatsOf } from "./seats.ts";

export type Wish = Leaving & {
  /** `stay`: keep it where it is, where the rules let it. `best`: by the score. `try-next`: after a start that failed. */
  readonly preference: "stay" | "best" | "try-next";
  /** The host that is being left. */
  readonly without?: HostId | undefined;
  /** The host that it left for maintenance. */
  readonly returnTo?: HostId | undefined;
};

/** One VM that looks for a host, with what the selection asks of it more than once. */
export type Asked = {
  readonly vm: Vm;
  readonly wish: Wish;
  /** Whether any rule names it. */
  readonly ruled: boolean;
  /** Where its owner record has it, held or released. */
  readonly at: Slot | undefined;
  /** Held there by an incarnation that nobody fenced. */
  readonly held: boolean;
  readonly returnTo: Slot | undefined;
  /** It goes back after maintenance even where it has no failback. */
  readonly returnsAnyway: boolean;
  /** No other host can take it: those in quarantine may. */
  readonly lastResort: boolean;
  readonly failedHosts: readonly HostId[];
  readonly failedOn: (slot: Slot) => boolean;
  /** Where VMs are that must be kept apart from it, with one of them. */
  readonly apart: ReadonlyMap<HostId, VmId>;
  /** Where it takes room itself. */
  readonly seats: readonly HostId[];
  readonly lacks: readonly (Reason | undefined)[];
  /** Of one whose volumes lie in local pools. */
  readonly local: LocalVolumes | undefined;
  /** Of one that is to go as it runs. */
  readonly reach: Reach | undefined;
};

const nowhere: ReadonlyMap<HostId, VmId> = new Map();
const nobody: readonly HostId[] = [];

export function ask(round: PlacementRound, vm: Vm, wish: Wish): Asked {
  const { view, book, slotOf } = round;
  const owner = view.owners.get(vm.id)?.value;
  const at = owner === undefined ? undefined : slotOf.get(owner.host);
  const held = owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) === undefined;
  const failedHosts = owner?.failedHosts ?? nobody;
  const ruled = book.binds(vm.id);
  const policy = view.policy?.value ?? defaultPolicy;
  return {
    vm,
    wish,
    ruled,
    at,
    held,
    returnTo: wish.returnTo === undefined ? undefined : slotOf.get(wish.returnTo),
    returnsAnyway: policy.returnAfterMaintenance === "always",
    lastResort: false,
    failedHosts,
    // What it runs on has not failed it, whatever happened there before.
    failedOn: (slot) => failedHosts.includes(slot.host) && !(held && slot === at),
    apart: ruled ? apartFrom(round, vm.id) : nowhere,
    seats: seatsOf(view, vm.id, round.aims.get(vm.id)),
    lacks: lacksFor(round, vm.spec),
    local: localVolumes(view, vm, wish),
    reach: held && wish.live === true ? reachOf(view, vm, owner, round.known.unreached) : undefined,
  };
}

/** The same where a VM that merely lies on a host, and is to start there, keeps nobody away; undefined: none does. */
export function besideHomes(round: PlacementRound, asked: Asked): Asked | undefined {
  const apart = asked.ruled ? apartFrom(round, asked.vm.id, seatedAt) : nowhere;
  return apart.size < asked.apart.size ? { ...asked, apart } : undefined;
}

function apartFrom(round: PlacementRound, vm: VmId, at: typeof placesOf = placesOf): Map<HostId, VmId> {
  const apart = new Map<HostId, VmId>();
  for (const other of round.book.apart(vm)) {
    for (const host of at(round, other, vm)) {
      // The first of them in order, whatever the order of the set.
      const before = apart.get(host);
      if (isThere(round, host) && (before === undefined || other < before)) apart.set(host, other);
    }
  }
  return apart;
}

/**
 * Where a VM is and where it goes; one that is to start lies where it lies until it has left. Not where a third one keeps it
 * from starting there and cannot leave: it would not start even if `asker` made way.
 */
function placesOf(round: PlacementRound, vm: VmId, asker: VmId): readonly HostId[] {
  const home = round.homes.get(vm);
  const seats = seatedAt(round, vm);
  if (home === undefined) return seats;
  const team = round.book.together(asker);
  for (const third of round.book.apart(vm)) {
    if (third === asker || team.has(third) || !seatedAt(round, third).includes(home)) continue;
    if (!canLeave(round, third, home)) return seats;
  }
  return [home, ...seats];
}

/** Whether another host could take it, as far as memory, rules and what it needs go. */
function canLeave(round: PlacementRound, vm: VmId, host: HostId): boolean {
  const spec = round.view.vms.get(vm)?.value.spec;
  if (spec === undefined) return false;
  const taken = new Set([...round.book.apart(vm)].flatMap((other) => seatedAt(round, other)));
  const lacks = lacksFor(round, spec);
  return round.slots.some((slot) => {
    if (slot.host === host || slot.away !== undefined || slot.closed !== undefined || taken.has(slot.host))
      return false;
    const freeMiB = (slot.facts?.memoryForVmsMiB ?? 0) - slot.load.memoryMiB;
    const isFit = lacks[slot.order] === undefined && freeMiB >= spec.memoryMiB;
    return isFit && round.book.classOf(vm, slot.host) !== undefined;
  });
}

function seatedAt({ view, aims }: PlacementRound, vm: VmId): readonly HostId[] {
  return seatsOf(view, vm, aims.get(vm));
}

/**
 * How many of the VMs that belong together with it are on each host. `home`: those that go back to the same host after
 * maintenance count as being there, so that none waits for the others.
 */
export function togetherAt(round: PlacementRound, asked: Asked, home: boolean): ReadonlyMap<HostId, number> {
  const counts = new Map<HostId, number>();
  if (!asked.ruled) return counts;
  const { view, book, aims } = round;
  for (const other of book.together(asked.vm.id)) {
    const returns = home && view.plans.get(other)?.value.returnTo === asked.wish.returnTo;
    const host = returns ? asked.wish.returnTo : (seatOf(view, other, aims.get(other)) ?? homeOf(round, other));
    if (host !== undefined && isThere(round, host)) counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  return counts;
}

function isThere(round: PlacementRound, host: HostId): boolean {
  const slot = round.slotOf.get(host);
  return slot !== undefined && slot.away === undefined;
}

/**
 * Why the VM cannot be on this host, class aside; undefined: it can. Room comes last: who made some would gain nothing where
 * anything else keeps it away.
 */
export function whyNot(round: PlacementRound, asked: Asked, slot: Slot): Reason | undefined {
  const { host } = slot;
  if (host === asked.wish.without) return slot.left ?? reason("PL1", "host-is-lost", { host });
  const stays = asked.held && slot === asked.at && asked.wish.preference === "stay";
  if (stays) return whyLeave(slot) ?? whyForbidden(round, asked, slot);
  return whyNotCome(asked, slot) ?? whyForbidden(round, asked, slot) ?? whyNoRoom(asked, slot);
}

/** What is held is left alone where its host is silent, full, or in quarantine: only somebody's word drives it away. */
function whyLeave({ left }: Slot): Reason | undefined {
  // A host that restarts keeps its VMs waiting for it.
  return left?.params["mode"] === "restart" ? undefined : left;
}

function whyNotCome(asked: Asked, slot: Slot): Reason | undefined {
  const closed = asked.lastResort ? undefined : slot.closed;
  const disks = asked.local === undefined ? undefined : whyVolumesNot(asked.local, slot.host);
  return slot.away ?? closed ?? asked.lacks[slot.order] ?? disks;
}

function whyNoRoom({ vm, local, seats }: Asked, { host, facts, load }: Slot): Reason | undefined {
  const short = local === undefined ? undefined : whyVolumesShort(local, host, facts);
  if (short !== undefined) return short;
  const neededMiB = vm.spec.memoryMiB;
  const ownMiB = seats.includes(host) ? neededMiB : 0;
  const freeMiB = (facts?.memoryForVmsMiB ?? 0) - load.memoryMiB + ownMiB;
  if (freeMiB >= neededMiB) return undefined;
  return reason("PL1", "host-memory-short", { host, freeMiB: Math.max(0, freeMiB), neededMiB });
}

function whyForbidden(round: PlacementRound, asked: Asked, { host }: Slot): Reason | undefined {
  if (!asked.ruled) return undefined;
  if (round.book.classOf(asked.vm.id, host) === undefined) {
    return reason("PL2", "host-not-allowed", { host, rules: round.book.rulesOf(asked.vm.id).join(", ") });
  }
  const other = asked.apart.get(host);
  if (other === undefined) return undefined;
  return reason("PL2", "host-has-vm-apart", { host, other: round.view.vms.get(other)?.value.name ?? other });
}
