import { compareText } from "../base/order.ts";

/** Of each interval the newest point, as far back as `count` intervals that have one: "24 hourly" is 3 600 000 and 24. */
export type KeepRule = { readonly everyMs: number; readonly count: number };
/** `pinned`: it stays whatever the rules say: the last one before a resync until that is over (S20), one that is being read. */
export type Thinnable = { readonly id: string; readonly at: number; readonly pinned: boolean };

/**
 * The points that no rule keeps, oldest first. The newest of all always stays, whatever the rules say. What one round leaves
 * the next one leaves too, as long as no point came: intervals are those of the clock, not counted from now.
 */
export function pointsToDrop(points: readonly Thinnable[], rules: readonly KeepRule[]): readonly string[] {
  const newestFirst = [...points].sort((a, b) => b.at - a.at || compareText(b.id, a.id));
  const kept = new Set(newestFirst.slice(0, 1).map(({ id }) => id));
  for (const { everyMs, count } of rules) {
    const taken = new Set<number>();
    for (const { id, at } of newestFirst) {
      const interval = Math.floor(at / everyMs);
      if (taken.has(interval)) continue;
      if (taken.size >= count) break;
      taken.add(interval);
      kept.add(id);
    }
  }
  return newestFirst
    .filter(({ id, pinned }) => !pinned && !kept.has(id))
    .map(({ id }) => id)
    .reverse();
}

/** Whether it is time for the next point. A clock that was put back waits for one interval at most. */
export function isPointDue(everyMs: number, lastAt: number | undefined, now: number): boolean {
  return lastAt === undefined || now - lastAt >= everyMs || lastAt - now > everyMs;
}
