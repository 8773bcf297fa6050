import { type InstantMs, later, type WallMs } from "../../src/model/ids.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** A virtual clock that jumps to the next wake-up as soon as nothing else is to do. */
export function instantClock(): Clock {
  let now = 0 as InstantMs;
  let nextId = 0;
  const waiting = new Map<number, { readonly at: InstantMs; readonly wake: () => void }>();
  const runNext = (): void => {
    const [first] = [...waiting].sort(([i, a], [j, b]) => a.at - b.at || i - j);
    if (first === undefined) return;
    const [id, { at, wake }] = first;
    waiting.delete(id);
    if (at > now) now = later(at, 0);
    wake();
  };
  return {
    now: () => now,
    wall: () => 0 as WallMs,
    wakeAt: (at, wake) => {
      const id = nextId++;
      waiting.set(id, { at, wake });
      setImmediate(runNext);
      return () => void waiting.delete(id);
    },
  };
}
