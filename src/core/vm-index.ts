import type { HostId, VmId } from "../model/ids.ts";
import type { Owner, Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { type Load, seatsOf } from "./placement/seats.ts";

/**
 * What a decision asks of all VMs together, kept up to date by looking at those whose records changed: in a large cluster
 * nothing happens to most of them.
 */
export type VmIndex = {
  /** The VMs that a host holds by the owner records, in whatever incarnation. */
  readonly heldBy: ReadonlyMap<HostId, ReadonlySet<VmId>>;
  /** What each host bears by the records alone. */
  readonly loads: ReadonlyMap<HostId, Readonly<Load>>;
  /** VMs that nobody holds and that are wanted, or failed, and those that are disabled with an error. */
  readonly unsettled: ReadonlySet<VmId>;
};

type Entry = {
  readonly holder: HostId | undefined;
  readonly seats: readonly HostId[];
  readonly memoryMiB: number;
  readonly cores: number;
};

type Kept = {
  readonly entries: Map<VmId, Entry>;
  readonly heldBy: Map<HostId, Set<VmId>>;
  readonly loads: Map<HostId, Load>;
  readonly unsettled: Set<VmId>;
  /** Up to which of the view's changes it is true. */
  seen: number;
};

const known = new WeakMap<ClusterView, Kept>();

export function vmIndex(view: ClusterView): VmIndex {
  const { first, ids } = view.vmChanges;
  const end = first + ids.length;
  const before = known.get(view);
  if (before !== undefined && before.seen >= first) {
    for (const vm of new Set(ids.slice(before.seen - first))) look(before, view, vm);
    before.seen = end;
    return before;
  }
  const kept: Kept = { entries: new Map(), heldBy: new Map(), loads: new Map(), unsettled: new Set(), seen: end };
  for (const vm of view.vms.keys()) look(kept, view, vm);
  for (const vm of view.owners.keys()) if (!kept.entries.has(vm)) look(kept, view, vm);
  for (const vm of view.moves.keys()) if (!kept.entries.has(vm)) look(kept, view, vm);
  known.set(view, kept);
  return kept;
}

/** The VMs whose holder is fenced: lost, until somebody may run them again. In no order. */
export function lostVms(view: ClusterView): readonly VmId[] {
  const { heldBy } = vmIndex(view);
  const lost: VmId[] = [];
  for (const [host, fences] of view.fences) {
    for (const vm of heldBy.get(host) ?? []) {
      const owner = view.owners.get(vm)?.value;
      if (owner?.kind === "held" && fences.has(owner.incarnation)) lost.push(vm);
    }
  }
  return lost;
}

function look(kept: Kept, view: ClusterView, vm: VmId): void {
  const before = kept.entries.get(vm);
  const record = view.vms.get(vm)?.value;
  const owner = view.owners.get(vm)?.value;
  const holder = owner?.kind === "held" ? owner.host : undefined;
  const seats = seatsOf(view, vm, undefined);
  const entry: Entry = { holder, seats, memoryMiB: record?.spec.memoryMiB ?? 0, cores: record?.spec.cpus ?? 0 };
  if (before !== undefined) for (const host of before.seats) add(kept.loads, host, before, -1);
  for (const host of seats) add(kept.loads, host, entry, 1);
  if (before?.holder !== holder) {
    if (before?.holder !== undefined) kept.heldBy.get(before.holder)?.delete(vm);
    if (holder !== undefined) hold(kept.heldBy, holder, vm);
  }
  if (record !== undefined && isUnsettled(view, record, owner)) kept.unsettled.add(vm);
  else kept.unsettled.delete(vm);
  if (record === undefined && owner === undefined && seats.length === 0) kept.entries.delete(vm);
  else kept.entries.set(vm, entry);
}

function add(loads: Map<HostId, Load>, host: HostId, { memoryMiB, cores }: Entry, sign: 1 | -1): void {
  const load = loads.get(host) ?? { memoryMiB: 0, cores: 0, vms: 0 };
  load.memoryMiB += sign * memoryMiB;
  load.cores += sign * cores;
  load.vms += sign;
  loads.set(host, load);
}

function hold(heldBy: Map<HostId, Set<VmId>>, host: HostId, vm: VmId): void {
  const held = heldBy.get(host);
  if (held === undefined) heldBy.set(host, new Set([vm]));
  else held.add(vm);
}

/** Whether something is to be done about a VM whatever its host does. */
function isUnsettled(view: ClusterView, vm: Vm, owner: Owner | undefined): boolean {
  if (vm.requested === "ignored") return false;
  if (vm.requested === "disabled" && (view.plans.get(vm.id)?.value.error ?? null) !== null) return true;
  if (owner?.kind === "held") return false;
  return vm.requested === "started" || (owner !== undefined && (owner.failed !== null || owner.failedHosts.length > 0));
}
