import { profiles } from "../../src/core/limits.ts";
import { startManager, stepManager } from "../../src/manager/manager.ts";
import type { ManagerEvent, ManagerState, ManagerStep } from "../../src/manager/state.ts";
import type { InstantMs, Term, WallMs } from "../../src/model/ids.ts";
import { type Growing, heartbeat, hostOf } from "./cluster.ts";

type Told<E> = E extends ManagerEvent ? Omit<E, "now" | "wall" | "view"> : never;

/** The leading manager of host 1 over a view, as it stands after some seconds of heartbeats. */
export class ManagerAtWork {
  readonly #growing: Growing;
  #state: ManagerState;
  #now = 1_000_000;
  #beats = 1;

  constructor(growing: Growing) {
    this.#growing = growing;
    this.#state = startManager(hostOf(1), profiles.default, 0 as InstantMs);
    this.tell({ kind: "synced" });
    const since = this.#now as InstantMs;
    const leading = { kind: "leading", term: 1 as Term, tick: 0, nextTickAt: since, since } as const;
    this.#state = { ...this.#state, leadership: leading };
  }

  /** What a step comes to; it is kept by `tell` alone. */
  step(event: Told<ManagerEvent>): ManagerStep {
    const moment = { now: this.#now as InstantMs, wall: this.#now as WallMs, view: this.#growing.view };
    return stepManager(this.#state, { ...event, ...moment } as ManagerEvent);
  }

  tell(event: Told<ManagerEvent>): ManagerStep {
    const step = this.step(event);
    this.#state = step.state;
    return step;
  }

  /** Heartbeats of all hosts but one for `ms`, told as they come: of these alone nothing is decided. */
  beat(hosts: number, ms: number, silent?: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.#now += 500;
      this.#beats += 1;
      const beats = Array.from({ length: hosts }, (_, i) => i + 1).filter((n) => n !== silent);
      this.tell({ kind: "changed", touched: this.#growing.put(beats.map((n) => heartbeat(n, this.#beats))) });
    }
  }
}
