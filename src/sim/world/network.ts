import type { SeededRandom } from "../../base/random.ts";

/** Directed links between hosts by number. Faults stack: a link passes while nothing cuts it. */
export class Network {
  readonly size: number;
  readonly #cuts: Int32Array;
  readonly #slowMs: Float64Array;
  readonly #random: SeededRandom;
  /** A part of all messages is late by up to this much, so that they overtake each other. */
  reorderMs = 0;
  /** Of a part of all requests that write, a copy follows by up to this much later. */
  doubledMs = 0;
  changed: () => void = () => {};

  constructor(size: number, random: SeededRandom) {
    this.size = size;
    this.#cuts = new Int32Array(size * size);
    this.#slowMs = new Float64Array(size * size);
    this.#random = random;
  }

  /** Messages from one host to another get through. */
  passes(from: number, to: number): boolean {
    return from === to || this.#cuts[from * this.size + to] === 0;
  }

  /** A connection can live: both ways get through. */
  connects(a: number, b: number): boolean {
    return this.passes(a, b) && this.passes(b, a);
  }

  cut(from: number, to: number, by: 1 | -1): void {
    const i = from * this.size + to;
    this.#cuts[i] = (this.#cuts[i] ?? 0) + by;
    this.changed();
  }

  slow(from: number, to: number, ms: number): void {
    const i = from * this.size + to;
    this.#slowMs[i] = (this.#slowMs[i] ?? 0) + ms;
  }

  delayMs(from: number, to: number): number {
    if (from === to) return 0.05;
    const slowMs = this.#slowMs[from * this.size + to] ?? 0;
    const draw = this.#random.below(1000) / 1000;
    const late = this.reorderMs > 0 && draw > 0.7 ? this.reorderMs * (draw - 0.7) * 3 : 0;
    return 0.2 + draw * 0.8 + slowMs * (0.5 + draw) + late;
  }
}
