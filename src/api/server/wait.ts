import { type InstantMs, later } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";

/** Resolves after `ms`, or at once when `signal` is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.wakeAt(later(clock.now(), ms), end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** True as soon as `holds` does; false where it did not until `until`. */
export async function waitFor(clock: Clock, until: InstantMs, pollMs: number, holds: () => boolean): Promise<boolean> {
  while (!holds()) {
    if (clock.now() >= until) return false;
    await sleep(clock, pollMs);
  }
  return true;
}

/** The answer of a callback-style call, or `otherwise` where none came within `ms`. A later answer is dropped. */
export function answered<T>(
  clock: Clock,
  ms: number,
  otherwise: T,
  call: (done: (value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve) => {
    const cancel = clock.wakeAt(later(clock.now(), ms), () => resolve(otherwise));
    call((value) => {
      cancel();
      resolve(value);
    });
  });
}
