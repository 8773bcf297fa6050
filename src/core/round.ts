import type { HostId, VmId } from "../model/ids.ts";
import type { Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { addLoad, type Knowledge, type Load, loadOf, type Placement, place, whyUnfit } from "./placement.ts";

/** What the choices of one round of decisions share: each sees those before it. */
export type PlacementRound = {
  readonly view: ClusterView;
  readonly known: Knowledge;
  readonly loads: Map<HostId, Load>;
};

export type Selection = {
  /** `stay`: where it is as long as that will do; `try-next`: not where it failed. */
  readonly preference: "stay" | "best" | "try-next";
  readonly without?: HostId | undefined;
  readonly returnTo?: HostId | undefined;
};

export function openRound(view: ClusterView, known: Knowledge): PlacementRound {
  return { view, known, loads: loadOf(view, known.promised) };
}

export function select(round: PlacementRound, vm: Vm, { preference, without }: Selection): Placement {
  const { view, known, loads } = round;
  const placement = place(view, vm, loads, known, without);
  const current = view.owners.get(vm.id)?.value.host;
  if (preference !== "stay" || current === undefined || current === without || placement.kind === "nowhere")
    return placement;
  if (placement.on === current || whyUnfit(view, vm, current, loads.get(current), known) !== undefined)
    return placement;
  const others = placement.alternatives.filter((other) => other.option !== current);
  const best = { option: placement.on, why: { rule: "PL1", code: "vm-stays-where-it-was", params: { host: current } } };
  return { kind: "place", on: current, alternatives: [...others, best] };
}

export function assign(round: PlacementRound, vm: Vm, host: HostId): void {
  addLoad(round.loads, host, vm);
}

export type Affinities = {
  readonly together: (vm: VmId) => ReadonlySet<VmId>;
  readonly apart: (vm: VmId) => ReadonlySet<VmId>;
};
const nobody: ReadonlySet<VmId> = new Set();

export function affinitiesOf(_view: ClusterView): Affinities {
  return { together: () => nobody, apart: () => nobody };
}
