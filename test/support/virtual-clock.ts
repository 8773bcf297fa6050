import type { InstantMs, WallMs } from "../../src/model/ids.ts";
import type { Clock } from "../../src/ports/clock.ts";

export interface VirtualClock extends Clock {
  /** Wakes everything that is due within the next `ms`, in order. */
  advance(ms: number): void;
}

/** Time that passes only when a test says so. */
export function virtualClock(): VirtualClock {
  let now = 1_000;
  let count = 0;
  const wakes = new Map<number, { readonly at: number; readonly wake: () => void }>();
  const nextDue = (limit: number): number | undefined => {
    let best: number | undefined;
    for (const [id, { at }] of wakes) {
      if (at <= limit && (best === undefined || at < (wakes.get(best)?.at ?? 0))) best = id;
    }
    return best;
  };
  return {
    now: () => now as InstantMs,
    wall: () => (1_700_000_000_000 + now) as WallMs,
    wakeAt: (at, wake) => {
      const id = ++count;
      wakes.set(id, { at: Math.max(at, now), wake });
      return () => wakes.delete(id);
    },
    advance: (ms) => {
      const end = now + ms;
      for (let id = nextDue(end); id !== undefined; id = nextDue(end)) {
        const due = wakes.get(id);
        wakes.delete(id);
        now = Math.max(now, due?.at ?? now);
        due?.wake();
      }
      now = end;
    },
  };
}
