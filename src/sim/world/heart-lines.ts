import type { Incarnation } from "../../model/ids.ts";
import { type Guard, type GuardListener, type GuardName, guardNames } from "../../ports/guard.ts";
import { guardProcess, type SimHost } from "./host.ts";
import type { Life } from "./process.ts";

type Link = { readonly guard: Guard & { readonly close: () => void }; readonly life: Life };

/** Told of each stamp at the moment at which a guard makes it, for the checkers' own reckoning (S2). */
export type Stamped = (heart: Life, name: GuardName, stamp: number) => void;

/** The lines of one heart to its two guards: they end with the guard, come back with it, and hold while it is stopped. */
export class HeartLines {
  readonly #host: SimHost;
  readonly #life: Life;
  readonly #listener: GuardListener;
  readonly #stamped: Stamped;
  readonly #links: Partial<Record<GuardName, Link>> = {};

  constructor(host: SimHost, life: Life, listener: GuardListener, stamped: Stamped) {
    this.#host = host;
    this.#life = life;
    this.#listener = listener;
    this.#stamped = stamped;
    for (const name of guardNames) life.after(1, () => this.connect(name));
  }

  guards(): Readonly<Record<GuardName, Guard>> {
    return { a: this.#line("a"), b: this.#line("b") };
  }

  /** Also where the guard is stopped: it greets when it continues. */
  connect(name: GuardName): void {
    const guardLife = this.#host.processes[guardProcess(name)].life;
    const guard = this.#host.guards[name];
    if (guardLife === undefined || guard === undefined || this.#life.ended) return;
    guardLife.post(() => {
      const link = guard.connect((from, says) => this.#life.post(() => this.#listener(from, says)));
      this.#links[name] = { guard: link, life: guardLife };
    });
  }

  lost(name: GuardName): void {
    if (this.#links[name] === undefined) return;
    delete this.#links[name];
    this.#life.after(0.1, () => this.#listener(name, { kind: "lost" }));
  }

  /** The guard has made it now: it may have kept the order waiting. */
  stampMade(name: GuardName, stamp: number): void {
    this.#stamped(this.#life, name, stamp);
  }

  #line(name: GuardName): Guard {
    const say = (command: (guard: Guard) => void): void => {
      const link = this.#links[name];
      if (link !== undefined) link.life.post(() => command(link.guard));
    };
    return {
      name,
      incarnation: (incarnation: Incarnation) => say((guard) => guard.incarnation(incarnation)),
      stamp: (stamp) => say((guard) => guard.stamp(stamp)),
      committed: (stamp) => say((guard) => guard.committed(stamp)),
      freeze: () => say((guard) => guard.freeze()),
    };
  }
}
