import { inKeyOrder } from "../base/order.ts";
import type { HostId, Incarnation } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { type Decision, fenceKey } from "./decision.ts";
import { derived } from "./derived.ts";
import { leftInOrder } from "./host-standing.ts";
import { remove, transaction, unchanged } from "./transactions.ts";
import { vmIndex } from "./vm-index.ts";

type PastLife = { readonly host: HostId; readonly incarnation: Incarnation };

/** Lives of hosts after which a later one was registered. Each has a fence: none registers without one (S1). */
const pastLives = derived(["fence", "host"], (view): readonly PastLife[] =>
  inKeyOrder(view.fences).flatMap(([host, fences]) => {
    const present = view.hosts.get(host)?.value.incarnation ?? 0;
    return [...fences.keys()]
      .filter((incarnation) => incarnation < present)
      .sort((a, b) => a - b)
      .map((incarnation) => ({ host, incarnation }));
  }),
);

/**
 * S1: the fence and the last heartbeat of an earlier life of a host go once nothing rests on them any more, so that reboots
 * do not fill the store. Its heartbeats stay refused without the fence: they compare the registration, and that is another
 * one for ever. `room`: at most so many.
 */
export function decidePastLives(view: ClusterView, also: readonly Compare[], room: number): Decision[] {
  const over = pastLives(view).filter((life) => isForgettable(view, life));
  return over.slice(0, Math.max(0, room)).map(({ host, incarnation }) => {
    const compares = [
      unchanged(keys.host(host), view.hosts.get(host)),
      unchanged(keys.fence(host, incarnation), fenceOf(view, host, incarnation)),
      ...also,
    ];
    const writes = [remove(keys.fence(host, incarnation)), remove(keys.heartbeat(host, incarnation))];
    return {
      subject: `past ${fenceKey(host, incarnation)}`,
      transaction: transaction(compares, writes),
      events: [],
    };
  });
}

function isForgettable(view: ClusterView, { host, incarnation }: PastLife): boolean {
  const fence = fenceOf(view, host, incarnation)?.value;
  if (fence === undefined || view.unreadable.size > 0) return false;
  // A device may still be at work on it (S9); a loss that nobody has counted yet is told by it alone (HM6).
  if (fence.device === "begun" && !fence.proofs.includes("power-off")) return false;
  if (!leftInOrder(fence) && (view.losses.get(host)?.value.counted ?? 0) < incarnation) return false;
  if (view.modes.get(host)?.value.incarnation === incarnation) return false;
  for (const { value } of view.moves.values()) if (value.from === host || value.to === host) return false;
  return !isOwner(view, host, incarnation);
}

/** Owner records come to name an incarnation only while it is the registered one: what names it not now never will. */
function isOwner(view: ClusterView, host: HostId, incarnation: Incarnation): boolean {
  for (const vm of vmIndex(view).heldBy.get(host) ?? []) {
    const owner = view.owners.get(vm)?.value;
    if (owner?.kind === "held" && owner.incarnation === incarnation) return true;
  }
  return false;
}
