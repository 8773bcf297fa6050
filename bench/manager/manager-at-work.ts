import { profiles } from "../../src/core/limits.ts";
import { startManager, stepManager } from "../../src/manager/manager.ts";
import type { ManagerEvent, ManagerState, ManagerStep } from "../../src/manager/state.ts";
import type { InstantMs, Term, WallMs } from "../../src/model/ids.ts";
import { type Growing, heartbeat, hostOf } from "./cluster.ts";

type Told<E> = E extends ManagerEvent ? Omit<E, "now" | "wall" | "view"> : never;

export function msSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

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
    // In contact until now: the end of a gap would be decided upon at once.
    this.#state = { ...this.#state, leadership: leading, own: { lastAt: since, since, graceUntil: since } };
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

  /**
   * Rounds until nothing more is decided: what one asks for is committed at once, and the next sees it. Returns what the
   * rounds were asked to write, and the processor time that the manager took for all of it.
   */
  finish(hosts: number): { readonly rounds: number; readonly cpuMs: number } {
    let cpuMs = 0;
    for (let rounds = 1; ; rounds++) {
      if (rounds % 50 === 0) this.beat(hosts, 500);
      this.#now += 20;
      const before = process.cpuUsage();
      const { effects } = this.tell({ kind: "woke" });
      cpuMs += msSince(before);
      const commits = effects.filter((effect) => effect.kind === "commit");
      const decided = commits.some(({ transaction }) =>
        transaction.writes.some(({ key }) => key.startsWith("/owner/")),
      );
      for (const { id, transaction } of commits) {
        const touched = this.#growing.write(transaction.writes);
        const answered = process.cpuUsage();
        const end = { kind: "committed", revision: this.#growing.view.revision } as const;
        this.tell({ kind: "commit-ended", id, end });
        this.tell({ kind: "changed", touched });
        cpuMs += msSince(answered);
      }
      if (!decided) return { rounds, cpuMs };
    }
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
