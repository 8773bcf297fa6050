import type { LinkFigures } from "../../ports/replication.ts";

const limits = {
  windowMs: 10_000,
  sampleMs: 1_000,
  /** As long as less waits, it is the guest that is slow, or each single answer, and not the link. */
  busyBytes: 1024 * 1024,
} as const;

/**
 * The best of each window of ten seconds: what else goes on makes a link look worse than it is, and never better. The rate is
 * seen only where more is to be sent than the link takes, and stays until it is seen again.
 */
export class LinkMeter {
  figures: LinkFigures = { latencyMs: null, mibPerSecond: null };
  #latencyMs: number | null = null;
  #rate: number | null = null;
  #windowAt: number;
  #sample: { at: number; bytes: number; isBusy: boolean };

  constructor(now: number) {
    this.#windowAt = now;
    this.#sample = { at: now, bytes: 0, isBusy: true };
  }

  /** A question that the peer answered, while nothing else was on its way. */
  answered(ms: number): void {
    this.#latencyMs = Math.min(this.#latencyMs ?? ms, ms);
  }

  taken(bytes: number): void {
    this.#sample.bytes += bytes;
  }

  /** `waitingBytes`: sent, or to be sent, and not answered yet. */
  look(now: number, waitingBytes: number): void {
    const sample = this.#sample;
    if (waitingBytes < limits.busyBytes) sample.isBusy = false;
    if (now - sample.at >= limits.sampleMs) {
      const mibPerSecond = sample.bytes / (1024 * 1024) / ((now - sample.at) / 1_000);
      if (sample.isBusy) this.#rate = Math.max(this.#rate ?? mibPerSecond, mibPerSecond);
      this.#sample = { at: now, bytes: 0, isBusy: true };
    }
    if (now - this.#windowAt < limits.windowMs) return;
    this.figures = {
      latencyMs: this.#latencyMs === null ? this.figures.latencyMs : rounded(this.#latencyMs, 100),
      mibPerSecond: this.#rate === null ? this.figures.mibPerSecond : rounded(this.#rate, 10),
    };
    this.#latencyMs = null;
    this.#rate = null;
    this.#windowAt = now;
  }
}

function rounded(figure: number, to: number): number {
  return Math.round(figure * to) / to;
}
