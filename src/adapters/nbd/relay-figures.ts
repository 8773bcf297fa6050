import type { LinkFigures } from "../../ports/replication.ts";

const limits = {
  windowMs: 10_000,
  /** The best of so many counts: a minute in which something else went on is no other link. */
  windows: 6,
  sampleMs: 1_000,
  /** As long as less waits, it is the guest that is slow, or each single answer, and not the link. */
  busyBytes: 1024 * 1024,
} as const;

/**
 * The best of the last windows of ten seconds: what else goes on makes a link look worse than it is, and never better. The rate is
 * seen only where more is to be sent than the link takes, and stays until it is seen again.
 */
export class LinkMeter {
  figures: LinkFigures = { latencyMs: null, mibPerSecond: null };
  #latencyMs: number | null = null;
  #latencies: readonly number[] = [];
  #rates: readonly number[] = [];
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
    this.#latencies = withLatest(this.#latencies, this.#latencyMs);
    this.#rates = withLatest(this.#rates, this.#rate);
    this.figures = {
      latencyMs: this.#latencies.length === 0 ? null : rounded(Math.min(...this.#latencies), 100),
      mibPerSecond: this.#rates.length === 0 ? null : rounded(Math.max(...this.#rates), 10),
    };
    this.#latencyMs = null;
    this.#rate = null;
    this.#windowAt = now;
  }
}

/** A window in which nobody answered, or nothing had to wait, says nothing: what was known stays known. */
function withLatest(known: readonly number[], latest: number | null): readonly number[] {
  return latest === null ? known : [...known, latest].slice(-limits.windows);
}

function rounded(figure: number, to: number): number {
  return Math.round(figure * to) / to;
}
