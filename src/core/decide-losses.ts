import { inKeyOrder } from "../base/order.ts";
import type { HostLosses } from "../model/host-records.ts";
import type { HostId, Incarnation, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Compare } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import { type Decision, event, type ManagerKnowledge } from "./decision.ts";
import { derived } from "./derived.ts";
import { leftInOrder } from "./host-standing.ts";
import { put, transaction, unchanged } from "./transactions.ts";

type Uncounted = { readonly host: HostId; readonly newest: Incarnation; readonly at: readonly WallMs[] };

/** Lives of hosts that ended by a loss and are in no count yet. */
const uncounted = derived(["fence", "host-losses"], (view): readonly Uncounted[] => {
  const found: Uncounted[] = [];
  for (const [host, fences] of inKeyOrder(view.fences)) {
    const counted = view.losses.get(host)?.value.counted ?? 0;
    const lost = [...fences].filter(([n, { value }]) => n > counted && !leftInOrder(value));
    if (lost.length === 0) continue;
    const newest = Math.max(...lost.map(([n]) => n)) as Incarnation;
    found.push({ host, newest, at: lost.map(([, { value }]) => value.at).sort((a, b) => a - b) });
  }
  return found;
});

/**
 * A host that is lost again and again gets no new VMs for a while (HM6). Counted by the wall clock, over managers and boots:
 * never a ground of safety.
 */
export function decideLosses(view: ClusterView, known: ManagerKnowledge, also: readonly Compare[]): Decision[] {
  const { quarantine } = view.policy?.value ?? defaultPolicy;
  const readable = uncounted(view).filter(({ host }) => !view.unreadable.has(keys.hostLosses(host)));
  return readable.map(({ host, newest, at }) => {
    const before = view.losses.get(host);
    const recent = [...(before?.value.at ?? []), ...at].filter((when) => known.wall - when <= quarantine.windowMs);
    const flaps = quarantine.losses > 0 && recent.length >= quarantine.losses;
    const until = flaps ? ((known.wall + quarantine.holdMs) as WallMs) : (before?.value.quarantinedUntil ?? null);
    const next: HostLosses = { schema: 1, counted: newest, at: recent, quarantinedUntil: until };
    const key = keys.hostLosses(host);
    const minutes = {
      windowMin: Math.round(quarantine.windowMs / 60_000),
      holdMin: Math.round(quarantine.holdMs / 60_000),
    };
    const told = event("host-flaps", { host }, { host, losses: recent.length, ...minutes });
    return {
      subject: `losses ${host}`,
      transaction: transaction([unchanged(key, before), ...also], [put(key, next)]),
      events: flaps ? [told] : [],
    };
  });
}
