import { profiles } from "../../src/core/limits.ts";
import { startManager, stepManager } from "../../src/manager/manager.ts";
import type { ManagerEffect, ManagerEvent, ManagerState } from "../../src/manager/state.ts";
import type { InstantMs, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { CommitEnd } from "../../src/model/transaction.ts";
import { host, type Records } from "./records.ts";

type Told<E> = E extends ManagerEvent ? Omit<E, "now" | "wall" | "view"> : never;

/** The manager of h2 on records that a test writes; what a step asks for stays in `effects` until the next. */
export class ManagerRig {
  readonly records: Records;
  effects: readonly ManagerEffect[] = [];
  state: ManagerState;
  #now = 10_000;

  constructor(records: Records) {
    this.records = records;
    this.state = startManager(host("h2"), profiles.default, this.#now as InstantMs);
    this.tell({ kind: "synced" });
  }

  tell(event: Told<ManagerEvent>): void {
    const moment = { now: this.#now as InstantMs, wall: 0 as WallMs, view: this.records.view };
    const step = stepManager(this.state, { ...event, ...moment } as ManagerEvent);
    this.state = step.state;
    this.effects = step.effects;
  }

  /** Time passes while h2 keeps hearing of the store. */
  wait(ms: number): void {
    for (let waited = 0; waited < ms; waited += 250) {
      this.#now += 250;
      const touched = { heartbeats: [], tick: false, usages: false, others: true, vms: new Set<never>(), events: [] };
      this.tell({ kind: "changed", touched });
    }
  }

  /** Time passes without a word of the store. */
  silence(ms: number): void {
    this.#now += ms;
    this.tell({ kind: "woke" });
  }

  /** Waits until it claims the office; `end` answers the claim. */
  claims(end: () => CommitEnd): void {
    for (let rounds = 0; rounds < 20; rounds++) {
      const claim = this.effects.find((effect) => effect.kind === "commit");
      if (claim?.kind === "commit") {
        this.tell({ kind: "commit-ended", id: claim.id, end: end() });
        return;
      }
      this.wait(250);
    }
    throw new Error("h2 does not claim the office");
  }

  /** Claims the office and gets it. */
  leads(): this {
    this.claims(() => this.term("h2", 1).committed());
    return this;
  }

  /** The store says that `id` took the office. */
  term(id: string, term: number): this {
    this.records.put(keys.managerTerm, { schema: 1, term, host: host(id), at: 0 });
    return this;
  }

  committed(): CommitEnd {
    return { kind: "committed", revision: this.records.view.revision };
  }

  /** What it writes into a record in this step. */
  written(key: string): unknown {
    for (const effect of this.effects) {
      if (effect.kind !== "commit") continue;
      for (const write of effect.transaction.writes)
        if (write.key === key && write.kind === "put") return JSON.parse(write.text);
    }
    return undefined;
  }

  cutsPower(): boolean {
    return this.effects.some((effect) => effect.kind === "power-off");
  }
}
