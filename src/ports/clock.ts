import type { InstantMs, WallMs } from "../model/ids.ts";

export interface Clock {
  /** Monotonic, also over a suspend where the platform can (CLOCK_BOOTTIME). */
  now(): InstantMs;
  /** For people only. */
  wall(): WallMs;
  /** Calls `wake` once at or after `at`. Returns the cancel. */
  wakeAt(at: InstantMs, wake: () => void): () => void;
}
