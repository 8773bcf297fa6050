import { valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, Revision, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Reason } from "../../model/reason.ts";
import type { Change, Write } from "../../model/transaction.ts";
import { applyChanges, type ClusterView, fenceOf } from "../../model/view.ts";
import { copyView } from "../../model/view-copy.ts";
import { hostName } from "../requests/find.ts";
import { put } from "../transactions.ts";
import type { Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { lossesNotBorne } from "./guard-losses.ts";
import { playForward } from "./play.ts";

/**
 * A turn looks at every VM, and nothing else is done meanwhile where an agent may not stand still for 5 s (S13): of a large cluster
 * only the first moves are seen.
 */
const looksMax = 400_000;
const turns = { least: 20, most: 1_000 };
const movesNamedMax = 6;

/** One and the same cluster, with and without an edit, once all moves and starts that follow are done. */
export type AtRest = { readonly without: ClusterView; readonly edited: ClusterView };

/**
 * Both are played forward by the manager's own decisions (FC1), for both move: what would come anyway is no fault of the edit.
 * Undefined: nobody is there to decide, or nothing moves.
 */
export function atRest(
  view: ClusterView,
  after: ClusterView,
  up: ReadonlySet<HostId>,
  wall: WallMs,
): AtRest | undefined {
  const isThere = (of: ClusterView): boolean => [...up].some((host) => of.members.has(host));
  if (!isThere(view) || !isThere(after)) return undefined;
  const [without, edited] = [played(view, up, wall), played(after, up, wall)];
  return isPlacedAs(view, without) && isPlacedAs(after, edited) ? undefined : { without, edited };
}

function isPlacedAs(view: ClusterView, later: ClusterView): boolean {
  return [...later.vms.keys()].every((vm) => holderOf(view, vm) === holderOf(later, vm));
}

/** Undefined: nobody, or a life of a host that is over. */
function holderOf(view: ClusterView, vm: VmId): HostId | undefined {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind !== "held") return undefined;
  return fenceOf(view, owner.host, owner.incarnation) === undefined ? owner.host : undefined;
}

function played(view: ClusterView, up: ReadonlySet<HostId>, wall: WallMs): ClusterView {
  const heardAgoMs = new Map([...up].filter((host) => view.members.has(host)).map((host) => [host, 0]));
  // What a disarmed cluster does not do now it does as soon as it is armed, and nobody asks about that then (HM5).
  const armed = { ...copyView(view), disarm: undefined };
  const present: Present = { view: armed, wall, heardAgoMs, durations: measureDurations([]) };
  const most = Math.min(turns.most, Math.max(turns.least, Math.floor(looksMax / (view.vms.size + 1))));
  return playForward(present, () => {}, most).ahead.view;
}

/** How the same is said of what is not yet so. */
const atRestCodes: Readonly<Record<string, string>> = {
  "edit-bears-less": "edit-then-bears-less",
  "edit-strands-vms": "edit-then-strands-vms",
};

/** Losses that are borne less once both are at rest. `told`: what is said already of the places where VMs are now. */
export function lossesAtRest(
  rest: AtRest,
  up: ReadonlySet<HostId>,
  wall: WallMs,
  told: readonly Reason[] = [],
): Reason[] {
  const known = new Set(told.map(({ params }) => params["losing"]));
  const { moves, starts } = whatDiffers(rest);
  return lossesNotBorne(rest.without, rest.edited, up, wall)
    .filter(({ params }) => !known.has(params["losing"]))
    .map(({ code, params, ...why }) => ({
      ...why,
      code: atRestCodes[code] ?? code,
      params: { ...params, moves, starts },
    }));
}

export type Following = {
  /** What the edit takes. */
  readonly breaks: readonly Reason[];
  /** What is borne less for nothing but VMs that start: they are wanted, and no start is refused for that. */
  readonly starts: readonly Reason[];
};

/**
 * Losses that are borne less once both are at rest, told apart by what they follow from. `now`, `after`: the records before and after the
 * edit, as they are.
 */
export function whatFollows(
  { now, after, edited }: { readonly now: ClusterView; readonly after: ClusterView; readonly edited: ClusterView },
  rest: AtRest,
  up: ReadonlySet<HostId>,
  wall: WallMs,
  told: readonly Reason[],
): Following {
  const all = lossesAtRest(rest, up, wall, told);
  const started = valuesInKeyOrder(after.vms).flatMap(({ value: { id, requested } }) => {
    const isDown = holderOf(now, id) === undefined && holderOf(rest.without, id) === undefined;
    return requested === "started" && isDown && holderOf(rest.edited, id) !== undefined ? [id] : [];
  });
  if (all.length === 0 || started.length === 0) return { breaks: all, starts: [] };
  // Again with nobody wanting these: what is lost then is lost by the edit itself.
  const unwanted = copyView(edited);
  for (const id of started) {
    const vm = unwanted.vms.get(id)?.value;
    if (vm !== undefined) applyWrites(unwanted, [put(keys.vm(id), { ...vm, requested: "stopped" })]);
  }
  const breaks = lossesAtRest({ without: rest.without, edited: played(unwanted, up, wall) }, up, wall, told);
  const losing = new Set(breaks.map(({ params }) => params["losing"]));
  return { breaks, starts: all.filter(({ params }) => !losing.has(params["losing"])) };
}

export function applyWrites(view: ClusterView, writes: readonly Write[]): void {
  const revision = (view.revision + 1) as Revision;
  const changes = writes.map((write): Change => ({ ...write, revision }));
  applyChanges(view, changes, revision);
}

/** Where VMs are with the edit and would not be without it, for people. */
function whatDiffers({ without, edited }: AtRest): { readonly moves: string; readonly starts: string } {
  const moves: string[] = [];
  const starts: string[] = [];
  for (const { value: vm } of valuesInKeyOrder(edited.vms)) {
    const [from, to] = [holderOf(without, vm.id), holderOf(edited, vm.id)];
    const spec = without.vms.get(vm.id)?.value.spec;
    const isSized = spec?.memoryMiB !== vm.spec.memoryMiB || spec.cpuModel !== vm.spec.cpuModel;
    if (to === undefined) continue;
    if (from === undefined || isSized) starts.push(`${vm.name} on ${hostName(edited, to)}`);
    else if (from !== to) moves.push(`${vm.name} from ${hostName(edited, from)} to ${hostName(edited, to)}`);
  }
  return { moves: named(moves), starts: named(starts) };
}

function named(all: readonly string[]): string {
  const shown = all.slice(0, movesNamedMax);
  return [...shown, ...(all.length > shown.length ? [`${all.length - shown.length} more`] : [])].join(", ");
}
