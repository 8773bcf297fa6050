import type { InstantMs, WallMs } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";

/** setTimeout's own limit; a longer wait is made of several. */
const timeoutMaxMs = 2_147_483_647;

/**
 * Whole milliseconds of CLOCK_MONOTONIC, rounded down: a wake is never early, and a span measured with it is never
 * longer than the real one by more than 1 ms. It stands still in a suspend (Node offers no CLOCK_BOOTTIME): waits on
 * others become longer by that, which is the safe side; this host's own deadline is the guards' business.
 */
export function systemClock(): Clock {
  const now = (): InstantMs => Math.floor(performance.now()) as InstantMs;
  return {
    now,
    wall: () => Date.now() as WallMs,
    wakeAt: (at, wake) => {
      let timer: ReturnType<typeof setTimeout>;
      const arm = (): void => {
        timer = setTimeout(check, Math.min(Math.max(0, at - now()), timeoutMaxMs));
      };
      const check = (): void => {
        if (now() >= at) wake();
        else arm();
      };
      arm();
      return () => clearTimeout(timer);
    },
  };
}
