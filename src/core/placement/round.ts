import { valuesInKeyOrder } from "../../base/order.ts";
import type { Usage } from "../../model/host-records.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { Alternative, Reason } from "../../model/reason.ts";
import type { HostFacts, Vm, VmSpec } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { derived } from "../derived.ts";
import { type RuleBook, ruleBook } from "../rules/rule-book.ts";
import { vmIndex } from "../vm-index.ts";
import { type Figures, figureOf, figuresOf, measuredLoads, sumOf, unmeasured } from "./figures.ts";
import { whyAway, whyClosed, whyLacks, whyLeft } from "./fitness.ts";
import { startingAtHome } from "./homes.ts";
import type { Knowledge } from "./knowledge.ts";
import { addLoad, type Load, seatsOf } from "./seats.ts";

/** One host in a round. */
export type Slot = {
  readonly host: HostId;
  /** Its place in the order of ids. */
  readonly order: number;
  readonly facts: HostFacts | undefined;
  /** Why it takes no VM and counts as no place of any. */
  readonly away: Reason | undefined;
  /** Why VMs leave it by somebody's word. */
  readonly left: Reason | undefined;
  /** Why nothing new comes. */
  readonly closed: Reason | undefined;
  /** Grows while the round places. */
  readonly load: Load;
  /** What it bears by measure, where the round compares by that; grows likewise. */
  use: Usage;
  /** What it will bear besides, of VMs that start at home; becomes less as they are placed. */
  readonly due: Due;
};

type Due = { vms: number; cores: number; memoryMiB: number };

/** What one decision round knows while it places VMs, one after the other. */
export type PlacementRound = {
  readonly view: ClusterView;
  readonly known: Knowledge;
  readonly book: RuleBook;
  /** All members in the order of their ids. */
  readonly slots: readonly Slot[];
  readonly slotOf: ReadonlyMap<HostId, Slot>;
  /** Where VMs will start that nobody has given a host yet: no room is taken there, but they are reckoned with. */
  readonly homes: ReadonlyMap<VmId, HostId>;
  /** Where VMs go by transactions under way and by this round's own choices. */
  readonly aims: ReadonlyMap<VmId, HostId>;
  /** By which figures hosts are compared. */
  readonly figures: Figures;
  /** What hosts lack for VMs of one kind, by slot: worked out once for each kind. */
  readonly lacks: Map<string, readonly (Reason | undefined)[]>;
  /** Why VMs of one kind fit nowhere, until something is booked. */
  readonly nowhere: Map<string, readonly Alternative[]>;
};

const nothing: Usage = { cores: 0, memoryMiB: 0 };
const membersInOrder = derived(["member"], (view) => valuesInKeyOrder(view.members));

/** Opened once for each decision round: what it knows of the hosts holds for all VMs that are placed in it. */
export function openRound(view: ClusterView, known: Knowledge): PlacementRound {
  const { loads } = vmIndex(view);
  const slots = membersInOrder(view).map(({ value: { id } }, order): Slot => {
    const load = loads.get(id);
    return {
      host: id,
      order,
      facts: view.facts.get(id)?.value,
      away: whyAway(view, id, known),
      left: whyLeft(view, id),
      closed: whyClosed(view, id, known),
      load: { memoryMiB: load?.memoryMiB ?? 0, cores: load?.cores ?? 0, vms: load?.vms ?? 0 },
      use: nothing,
      due: { vms: 0, cores: 0, memoryMiB: 0 },
    };
  });
  const there = slots.flatMap((slot) => (slot.away === undefined ? [slot.host] : []));
  const figures = figuresOf(view, there);
  const uses = figures.mode === "dynamic" ? measuredLoads(view) : undefined;
  for (const slot of slots) slot.use = uses?.get(slot.host) ?? nothing;
  const slotOf = new Map(slots.map((slot) => [slot.host, slot]));
  const rules = ruleBook(view);
  const round = {
    view,
    known,
    book: rules,
    slots,
    slotOf,
    homes: noHomes,
    aims: new Map(),
    figures,
    lacks: new Map(),
    nowhere: new Map(),
  };
  for (const [vm, host] of known.promised) book(round, vm, host);
  return { ...round, homes: homesIn(round) };
}

const noHomes: ReadonlyMap<VmId, HostId> = new Map();

/** Those of the homes that can be lived in. */
function homesIn(round: PlacementRound): ReadonlyMap<VmId, HostId> {
  const homes = new Map<VmId, HostId>();
  for (const [vm, host] of startingAtHome(round.view)) {
    const slot = round.slotOf.get(host);
    if (round.aims.has(vm) || slot === undefined || slot.away !== undefined || slot.closed !== undefined) continue;
    const spec = round.view.vms.get(vm)?.value.spec;
    if (spec === undefined || spec.memoryMiB > (slot.facts?.memoryForVmsMiB ?? 0) - slot.load.memoryMiB) continue;
    if (round.book.binds(vm) && round.book.classOf(vm, host) === undefined) continue;
    homes.set(vm, host);
    addDue(round, vm, slot, 1);
  }
  return homes;
}

/** Books a choice: from now on in this round the VM takes room on `host`, and what belongs to it looks there. */
export function assign(round: PlacementRound, vm: Vm, host: HostId): void {
  book(round, vm.id, host);
}

function book(round: PlacementRound, vm: VmId, host: HostId): void {
  const { view, slotOf, figures } = round;
  const home = homeOf(round, vm);
  const homeSlot = home === undefined ? undefined : slotOf.get(home);
  if (homeSlot !== undefined) addDue(round, vm, homeSlot, -1);
  const add = (on: HostId, sign: 1 | -1): void => {
    const slot = slotOf.get(on);
    if (slot === undefined) return;
    addLoad(slot.load, view, vm, sign);
    const more = figures.mode === "dynamic" ? unmeasured(view, vm, on) : undefined;
    if (more !== undefined) slot.use = sumOf(slot.use, more, sign);
  };
  round.nowhere.clear();
  for (const on of seatsOf(view, vm, round.aims.get(vm))) add(on, -1);
  (round.aims as Map<VmId, HostId>).set(vm, host);
  for (const on of seatsOf(view, vm, host)) add(on, 1);
}

function addDue({ view, figures }: PlacementRound, vm: VmId, { due }: Slot, sign: 1 | -1): void {
  const { cores, memoryMiB } = figureOf(view, vm, figures.mode);
  due.vms += sign;
  due.cores += sign * cores;
  due.memoryMiB += sign * memoryMiB;
}

/** What a host bears by the figures of the round, with what starts there by itself. */
export function bears({ figures }: PlacementRound, slot: Slot): Usage {
  return sumOf(figures.mode === "dynamic" ? slot.use : slot.load, slot.due, 1);
}

/** How many VMs a host bears, with those that start there by themselves. */
export function numberOn({ load, due }: Slot): number {
  return load.vms + due.vms;
}

/** Where a VM is reckoned with besides its seats, until it is placed. */
export function homeOf({ homes, aims }: PlacementRound, vm: VmId): HostId | undefined {
  return aims.has(vm) ? undefined : homes.get(vm);
}

/** What each slot lacks for VMs like this one, memory aside. */
export function lacksFor(round: PlacementRound, spec: VmSpec): readonly (Reason | undefined)[] {
  const kind = kindOf(spec);
  let lacks = round.lacks.get(kind);
  if (lacks === undefined) {
    lacks = round.slots.map(({ host, facts }) => whyLacks(host, facts, spec));
    round.lacks.set(kind, lacks);
  }
  return lacks;
}

const kinds = new WeakMap<VmSpec, string>();

/** VMs of the same pools, networks and processor ask the same of a host. */
export function kindOf(spec: VmSpec): string {
  let kind = kinds.get(spec);
  if (kind === undefined) {
    const pools = spec.disks.map((disk) => disk.pool);
    kind = JSON.stringify([pools, spec.nics.map((nic) => nic.network), spec.cpuModel]);
    kinds.set(spec, kind);
  }
  return kind;
}
