import { limits } from "../core/limits.ts";
import type { Revision, WallMs } from "../model/ids.ts";
import type { ClusterView } from "../model/view.ts";

const samplesMax = 20;

/**
 * How far this host's clock is ahead of the manager's, from what stands in the manager's ticks. A tick takes its time to come
 * here, and never comes before it was sent: so the least of the last twenty is nearest to the truth. For people, and for
 * figures that compare two clocks; no deadline rests on it (S3).
 */
export class ClockOffset {
  #seen: Revision | undefined;
  #samples: number[] = [];

  heard(view: ClusterView, wall: WallMs): void {
    const tick = view.tick;
    if (tick === undefined || tick.revision === this.#seen) return;
    const isFirst = this.#seen === undefined;
    this.#seen = tick.revision;
    // How old the one is that was there already, nobody knows.
    if (isFirst || tick.value.at === undefined) return;
    this.#samples = [...this.#samples, wall - tick.value.at].slice(-samplesMax);
  }

  /** In milliseconds, in steps of half a second; null: not known yet. */
  get offsetMs(): number | null {
    if (this.#samples.length < samplesMax) return null;
    // -0 is no figure.
    return Math.trunc(Math.min(...this.#samples) / limits.clockStepMs) * limits.clockStepMs + 0;
  }
}
