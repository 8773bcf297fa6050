import type { HostId, VmId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import { movesLive } from "./moves.ts";

/** Why the guest of a live move stands still while its memory is copied; undefined: it does not, as far as is known (S15). */
export function whyStoppedFirst(view: ClusterView, id: VmId): Reason | undefined {
  const owner = view.owners.get(id)?.value;
  if (owner?.kind !== "held") return undefined;
  const status = view.statuses.get(id)?.value;
  const own = status?.epoch === owner.epoch ? status.accel : null;
  if ((own ?? view.facts.get(owner.host)?.value.accel) !== "tcg") return undefined;
  const vm = view.vms.get(id)?.value.name ?? id;
  const host = view.members.get(owner.host)?.value.name ?? owner.host;
  return { rule: "S15", code: "move-stops-guest-first", params: { vm, host } };
}

/** The same of a VM that is moved to `to`, or is ordered there: undefined also where it goes another way, or has left already. */
export function whyMoveStopsFirst(view: ClusterView, id: VmId, to: HostId | null): Reason | undefined {
  const vm = view.vms.get(id)?.value;
  const owner = view.owners.get(id)?.value;
  const move = view.moves.get(id)?.value;
  if (vm === undefined || owner === undefined || to === null) return undefined;
  const isOpen = move !== undefined && move.to === to && move.answer.kind === "open";
  const order = view.orders.get(id)?.value.order;
  const isLive = isOpen
    ? move.live !== undefined && move.live.kind !== "switched"
    : order?.kind === "migrate" && order.to === to && movesLive(view, vm, owner, "migrate", to);
  return isLive ? whyStoppedFirst(view, id) : undefined;
}
