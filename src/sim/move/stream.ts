import type { MoveMachine, MoveQemu, Stream } from "./qemu.ts";

const stepMs = 20;
/** As the real driver's own limits. */
const stallMs = 10_000;
const handOverMs = 5;
const arriveMs = 2;

export type StreamPlan = {
  readonly source: MoveMachine;
  readonly target: MoveMachine;
  readonly copyMs: number;
  /** For disks that go along, before the memory; 0: none does. */
  readonly disksMs: number;
  /** They are all but there: the memory follows. */
  readonly begun: () => void;
  /** The guest stands still, and what is left of them has followed (S15). */
  readonly mirrored: () => void;
  readonly connects: () => boolean;
  readonly progress: (share: number) => void;
};

/**
 * The connection between two QEMUs, as it is whether or not drivers look: it stops to ask before the hand-over, goes on
 * only while neither side is frozen, and tells each end no more than a socket would.
 */
export class MoveStream implements Stream {
  state: Stream["state"] = "copying";
  isWhole = false;
  readonly #from: MoveQemu;
  readonly #to: MoveQemu;
  readonly #plan: StreamPlan;
  #disksMs = 0;
  #copiedMs = 0;
  #stillMs = 0;
  #handedMs = 0;

  constructor(from: MoveQemu, to: MoveQemu, plan: StreamPlan) {
    this.#from = from;
    this.#to = to;
    this.#plan = plan;
    this.#next();
  }

  get isOver(): boolean {
    return this.state === "completed" || this.state === "failed" || this.state === "cancelled";
  }

  cancel(): void {
    if (!this.isOver) this.#breakOff("cancelled");
  }

  handOver(): void {
    if (this.state === "ready") this.state = "handing";
  }

  #next(): void {
    this.#plan.source.after(stepMs, () => this.#step());
  }

  #step(): void {
    if (this.isOver) return;
    if (!this.#from.isAlive()) {
      this.#breakOff("failed");
      return;
    }
    if (this.state === "copying") this.#copy();
    if (this.state === "handing") this.#hand();
    if (!this.isOver) this.#next();
  }

  #copy(): void {
    const connects = this.#plan.connects();
    if (connects && !this.#to.isAlive()) {
      this.#breakOff("failed");
      return;
    }
    if (this.#from.isFrozen()) return;
    if (!connects || this.#to.isFrozen()) {
      this.#stillMs += stepMs;
      if (this.#stillMs > stallMs) this.#breakOff("cancelled");
      return;
    }
    this.#stillMs = 0;
    const { copyMs, disksMs } = this.#plan;
    if (this.#disksMs < disksMs) {
      this.#disksMs += stepMs;
      if (this.#disksMs >= disksMs) this.#plan.begun();
    } else this.#copiedMs += stepMs;
    this.#plan.progress(Math.min(1, (this.#disksMs + this.#copiedMs) / (disksMs + copyMs)));
    if (this.#copiedMs < copyMs || this.#from.hasWritesUnderWay()) return;
    this.#from.moving.halted = true;
    this.#plan.mirrored();
    this.state = "ready";
  }

  /** The kernel takes what is left, whether or not it gets any further: to the source that is the end of it. */
  #hand(): void {
    if (this.#from.isFrozen()) return;
    if (this.#plan.connects() && !this.#to.isAlive()) {
      this.#breakOff("failed");
      return;
    }
    this.#handedMs += stepMs;
    if (this.#handedMs < handOverMs) return;
    this.#from.closeImages();
    this.state = "completed";
    this.#deliver();
  }

  #deliver(): void {
    if (!this.#to.isAlive()) return;
    if (this.#plan.connects()) this.#plan.target.after(arriveMs, () => this.#arrive());
    else this.#plan.source.after(stepMs, () => this.#deliver());
  }

  #arrive(): void {
    if (this.#to.isFrozen()) this.#plan.target.after(stepMs, () => this.#arrive());
    else this.isWhole = this.#to.isAlive();
  }

  /** The target hears of it where the network carries it, and once it can hear anything. */
  #breakOff(as: "failed" | "cancelled"): void {
    this.state = as;
    const tell = (): void => {
      if (!this.#to.isAlive() || this.#to.moving.part !== "incoming") return;
      if (this.#to.isFrozen()) this.#plan.target.after(stepMs, tell);
      else this.#to.end();
    };
    if (this.#plan.connects()) this.#plan.target.after(1, tell);
  }
}
