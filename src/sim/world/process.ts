import type { InstantMs } from "../../model/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { HostClock } from "./clock.ts";
import type { Scheduler } from "./scheduler.ts";

type Held = { readonly life: Life; readonly run: () => void };

/** Between two callbacks of a process that catches up after it stood still. */
const catchUpMs = 0.02;

/**
 * A process of a host: one life after the other. While it is stopped, or its host is frozen, everything that should
 * reach it waits, and all of it is delivered late, in order, when it continues. What was meant for an earlier life is lost.
 */
export class Process {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly #isHostFrozen: () => boolean;
  life: Life | undefined;
  stopped = false;
  #held: Held[] = [];

  constructor(name: string, scheduler: Scheduler, isHostFrozen: () => boolean) {
    this.name = name;
    this.scheduler = scheduler;
    this.#isHostFrozen = isHostFrozen;
  }

  begin(clock: HostClock): Life {
    this.end();
    const life = new Life(this, clock);
    this.life = life;
    return life;
  }

  /** SIGKILL, or the power. */
  end(): void {
    if (this.life !== undefined) this.life.ended = true;
    this.life = undefined;
    this.stopped = false;
    this.#held = [];
  }

  post(life: Life, run: () => void): void {
    if (life.ended) return;
    if (this.#held.length > 0 || this.#isHalted()) this.#held.push({ life, run });
    else run();
  }

  /** Goes on with what waited, one callback per event of the scheduler. */
  catchUp(): void {
    if (this.#held.length > 0) this.scheduler.after(catchUpMs, () => this.#runOne());
  }

  /** Everything that waits, now: for processes that come first whatever else is to be done (real-time priority). */
  catchUpAtOnce(): void {
    while (!this.#isHalted() && this.#held.length > 0) this.#shift();
  }

  #isHalted(): boolean {
    return this.stopped || this.#isHostFrozen();
  }

  #runOne(): void {
    if (this.#isHalted()) return;
    this.#shift();
    this.catchUp();
  }

  #shift(): void {
    const next = this.#held.shift();
    if (next !== undefined && !next.life.ended) next.run();
  }
}

/** One life of a process: what it asked for ends with it. */
export class Life {
  readonly process: Process;
  readonly clock: Clock;
  readonly beganAt: number;
  ended = false;

  constructor(process: Process, host: HostClock) {
    this.process = process;
    this.beganAt = process.scheduler.now;
    this.clock = {
      now: () => host.now(),
      wall: () => host.wall(),
      wakeAt: (at, wake) => this.#wakeAt(host, at, wake),
    };
  }

  post(run: () => void): void {
    this.process.post(this, run);
  }

  /** In `ms` of virtual time, as something outside the process would answer it. */
  after(ms: number, run: () => void): void {
    this.process.scheduler.after(ms, () => this.process.post(this, run));
  }

  #wakeAt(host: HostClock, at: InstantMs, wake: () => void): () => void {
    const { scheduler } = this.process;
    let cancelled = false;
    let timer = scheduler.at(host.when(at), fire);
    const run = (): void => {
      if (!cancelled) wake();
    };
    const { process } = this;
    const life: Life = this;
    function fire(): void {
      // The clock's rate may have changed meanwhile: a wake is never early.
      if (host.now() < at) timer = scheduler.at(host.when(at), fire);
      else process.post(life, run);
    }
    return () => {
      cancelled = true;
      timer.run = undefined;
    };
  }
}
