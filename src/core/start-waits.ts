import type { HostId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { mainReason } from "./admission.ts";
import { knowledgeOf } from "./placement/imagine.ts";
import { openRound } from "./placement/round.ts";
import { whereTo } from "./placement/select.ts";

/** Of a VM that is wanted and that nobody has: why no host takes it now (PL1). Undefined: one does, or it has one. */
export function whyStartWaits(
  view: ClusterView,
  vm: Vm,
  isHeard: (host: HostId) => boolean,
  at: WallMs,
): Reason | undefined {
  if (vm.requested !== "started" || view.owners.get(vm.id)?.value.kind === "held") return undefined;
  const open = () => openRound(view, knowledgeOf(view, new Set([...view.hosts.keys()].filter(isHeard)), at));
  return whereTo(open(), vm, { preference: "best" }) === undefined ? mainReason(open(), vm) : undefined;
}
