import type { InstantMs } from "../model/ids.ts";
import type { Clock } from "../ports/clock.ts";

/** A timer that knows one moment: setting it replaces the one before, and the same again costs nothing. Undefined: none. */
export function singleTimer(clock: Clock, wake: () => void): (at: InstantMs | undefined) => void {
  let cancel = (): void => {};
  let armed: InstantMs | undefined;
  return (at) => {
    if (at === armed) return;
    cancel();
    armed = at;
    cancel =
      at === undefined
        ? (): void => {}
        : clock.wakeAt(at, () => {
            armed = undefined;
            wake();
          });
  };
}
