import type { HostId } from "../../model/ids.ts";
import type { Alternative, Reason } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import { alternativesTo } from "./alternatives.ts";
import { ask, type Wish, whyNot } from "./asked.ts";
import { choose } from "./choose.ts";
import { reason } from "./fitness.ts";
import type { PlacementRound } from "./round.ts";

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
  const choice = choose(round, asked);
  const alternatives = alternativesTo(round, asked, choice);
  return choice === undefined ? { kind: "nowhere", alternatives } : { kind: "place", on: choice.on.host, alternatives };
}

/** Why this very host cannot take the VM now, classes and scores aside; undefined: it can (PL1, PL2). */
export function whyUnfit(round: PlacementRound, vm: Vm, host: HostId): Reason | undefined {
  const slot = round.slotOf.get(host);
  if (slot === undefined) return reason("PL1", "host-never-registered", { host });
  return whyNot(round, ask(round, vm, { preference: "best" }), slot);
}

/** Whether `select` would find a host, without the reasons. */
export function whereTo(round: PlacementRound, vm: Vm, wish: Wish): HostId | undefined {
  return choose(round, ask(round, vm, wish))?.on.host;
}
