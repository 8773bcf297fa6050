import { compareText } from "../base/order.ts";
import { noRevision } from "../model/ids.ts";
import type { EventFilter, Journal, StoredEvent } from "../ports/journal.ts";

/** The journal in memory: same contract suite as the one on disk. */
export function memoryJournal(): Journal {
  let held: StoredEvent[] = [];
  const known = new Set<string>();
  return {
    add: (events) => {
      for (const stored of events) {
        const { host, boot, seq } = stored.event;
        const id = JSON.stringify([host, boot, seq]);
        if (known.has(id)) continue;
        known.add(id);
        held.push(stored);
      }
      held = held.sort(inOrder);
    },
    read: (filter) => page(held.filter(matches(filter)), filter),
    last: () => held.at(-1)?.revision ?? noRevision,
  };
}

function inOrder(a: StoredEvent, b: StoredEvent): number {
  return a.revision - b.revision || compareText(a.event.host, b.event.host) || a.event.seq - b.event.seq;
}

function matches(filter: EventFilter): (stored: StoredEvent) => boolean {
  return ({ event, revision }) =>
    (filter.vm === undefined || event.subjects.vm === filter.vm) &&
    (filter.host === undefined || event.subjects.host === filter.host || event.host === filter.host) &&
    (filter.type === undefined || event.type === filter.type) &&
    (filter.after === undefined || revision > filter.after);
}

function page(found: readonly StoredEvent[], { after, limit }: EventFilter): StoredEvent[] {
  if (limit === 0) return [];
  if (after === undefined) return found.slice(-limit);
  const lastRevision = found[limit - 1]?.revision;
  return found.filter((stored, index) => index < limit || stored.revision === lastRevision);
}
