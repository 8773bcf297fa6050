import type { HostId, Revision, StoreKey, VmId } from "../model/ids.ts";
import type { ClusterView } from "../model/view.ts";
import { pointToStartFrom } from "./point-return.ts";
import { copiesOn } from "./replication.ts";
import type { AcceptedLoss } from "./replication-promotion.ts";
import { usability } from "./replication-usable.ts";

/**
 * By a standing order of a person: the host whose copies are to be taken although they lack writes. Undefined: nobody ordered
 * that, or what is lost by it is not what was shown any more (S18).
 */
export function acceptedLossOf(
  view: ClusterView,
  vm: VmId,
): { readonly to: HostId; readonly accepted: AcceptedLoss } | undefined {
  const order = view.orders.get(vm)?.value.order;
  if (order?.kind === "promote" && order.point !== undefined) {
    const point = pointToStartFrom(view, vm, order.to, order.point);
    return point === undefined ? undefined : { to: order.to, accepted: { seen: new Map(), point } };
  }
  if (order?.kind !== "promote" || usability(view, vm, order.to).kind !== "lossy") return undefined;
  const copies = copiesOn(view, vm, order.to);
  const isSame = copies.every(({ record }, i) => record !== undefined && order.seen[i] === record.revision);
  if (!isSame || copies.length !== order.seen.length) return undefined;
  const seen = copies.flatMap(({ key, record }): [StoreKey, Revision][] =>
    record === undefined ? [] : [[key, record.revision]],
  );
  return { to: order.to, accepted: { seen: new Map(seen) } };
}
