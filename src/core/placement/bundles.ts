import { compareText, inKeyOrder } from "../../base/order.ts";
import type { Usage } from "../../model/host-records.ts";
import type { Vm } from "../../model/records.ts";
import { fenceOf } from "../../model/view.ts";
import { ask, whyNot } from "./asked.ts";
import { figureOf, sumOf } from "./figures.ts";
import type { PlacementRound, Slot } from "./round.ts";
import { seatsOf } from "./seats.ts";

/** A VM that runs, with those that belong together with it, all on one host: moved whole or not at all. */
export type Bundle = {
  /** In order of ids; the first one leads. */
  readonly vms: readonly Vm[];
  readonly source: Slot;
  /** What all of them use or may use, by the figures of the round. */
  readonly use: Usage;
  readonly memoryMiB: number;
};

/** The bundles on `sources` that may be moved, in the order of their leaders. */
export function bundlesOn(
  round: PlacementRound,
  sources: ReadonlySet<Slot>,
  mayMove: (vm: Vm) => boolean,
): readonly Bundle[] {
  const { view, book } = round;
  const bundles: Bundle[] = [];
  for (const [id, { value: vm }] of inKeyOrder(view.vms)) {
    const source = placeOf(round, vm);
    if (source === undefined || !sources.has(source)) continue;
    const members = [vm, ...partnersOf(round, vm)].sort((a, b) => compareText(a.id, b.id));
    if (members[0]?.id !== id || (book.binds(id) && !areAllOn(round, members, source))) continue;
    if (!members.every((member) => mayMove(member))) continue;
    const none = { cores: 0, memoryMiB: 0 };
    bundles.push({
      vms: members,
      source,
      use: members.reduce((sum, member) => sumOf(sum, figureOf(view, member.id, round.figures.mode), 1), none),
      memoryMiB: members.reduce((sum, member) => sum + member.spec.memoryMiB, 0),
    });
  }
  return bundles;
}

/** Those that belong together with it and are wanted. */
function partnersOf({ view, book }: PlacementRound, vm: Vm): Vm[] {
  const found: Vm[] = [];
  for (const id of book.together(vm.id)) {
    const other = view.vms.get(id)?.value;
    if (other?.requested === "started") found.push(other);
  }
  return found;
}

function areAllOn(round: PlacementRound, vms: readonly Vm[], source: Slot): boolean {
  return vms.every((vm) => placeOf(round, vm) === source);
}

/** Where a VM that is wanted runs and nothing else is meant for it; undefined: it is moving, lost, stopped or locked. */
function placeOf({ view, slotOf, aims }: PlacementRound, vm: Vm): Slot | undefined {
  const owner = view.owners.get(vm.id)?.value;
  if (vm.requested !== "started" || vm.lock !== null || owner?.kind !== "held") return undefined;
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined) return undefined;
  if (seatsOf(view, vm.id, aims.get(vm.id)).length !== 1) return undefined;
  const slot = slotOf.get(owner.host);
  return slot?.away === undefined ? slot : undefined;
}

/** Where a bundle may go: hosts of its leader's best class that can take all of it, among `targets`. */
export function targetsFor(round: PlacementRound, bundle: Bundle, targets: readonly Slot[]): readonly Slot[] {
  const [leader] = bundle.vms;
  if (leader === undefined) return [];
  const asked = ask(round, leader, { preference: "stay" });
  const classOf = (slot: Slot): number => round.book.classOf(leader.id, slot.host) ?? Number.NEGATIVE_INFINITY;
  const fits = (slot: Slot): boolean => whyNot(round, asked, slot) === undefined && hasRoom(slot, bundle);
  if (!asked.ruled) return targets.filter((slot) => slot !== bundle.source && fits(slot));
  // A better class elsewhere is the business of the selection, which comes before this.
  const best = Math.max(...round.slots.filter((slot) => slot === bundle.source || fits(slot)).map(classOf));
  return targets.filter(
    (slot) => slot !== bundle.source && classOf(slot) === best && fits(slot) && isFree(round, bundle, slot),
  );
}

function hasRoom(slot: Slot, { memoryMiB }: Bundle): boolean {
  return (slot.facts?.memoryForVmsMiB ?? 0) - slot.load.memoryMiB >= memoryMiB;
}

/** Also what its other members lack there counts. */
function isFree(round: PlacementRound, { vms }: Bundle, slot: Slot): boolean {
  return vms.slice(1).every((vm) => whyNot(round, ask(round, vm, { preference: "stay" }), slot) === undefined);
}
