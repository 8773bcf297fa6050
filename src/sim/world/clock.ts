import type { InstantMs, WallMs } from "../../model/ids.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the wall clocks of the virtual world start at. */
const wallStart = 1_800_000_000_000;

/**
 * A host's clocks: monotonic with a rate of its own, starting anew with each boot (so that a clock value that crosses
 * to another host or boot makes nonsense at once), and a wall clock that jumps.
 */
export class HostClock {
  readonly #scheduler: Scheduler;
  #base: number;
  #since: number;
  #rate = 1;
  wallOffsetMs = 0;

  constructor(scheduler: Scheduler, base: number) {
    this.#scheduler = scheduler;
    this.#base = base;
    this.#since = scheduler.now;
  }

  get rate(): number {
    return this.#rate;
  }

  /** Whole milliseconds rounded down, as the real clock gives them. */
  now(): InstantMs {
    return Math.floor(this.#exact()) as InstantMs;
  }

  wall(): WallMs {
    return Math.max(0, Math.floor(wallStart + this.#scheduler.now + this.wallOffsetMs)) as WallMs;
  }

  /** The virtual moment at which this clock shows `at`, as long as its rate stays. */
  when(at: number): number {
    return this.#since + (at - this.#base) / this.#rate + 0.001;
  }

  /** A boot: the monotonic clock begins anew. */
  restart(base: number): void {
    this.#base = base;
    this.#since = this.#scheduler.now;
  }

  setRate(rate: number): void {
    this.#base = this.#exact();
    this.#since = this.#scheduler.now;
    this.#rate = rate;
  }

  #exact(): number {
    return this.#base + (this.#scheduler.now - this.#since) * this.#rate;
  }
}
