import { describe, expect, test } from "vitest";
import { fence, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits, profiles } from "../core/limits.ts";
import type { InstantMs, PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { CommitEnd } from "../model/transaction.ts";
import { startManager, stepManager } from "./manager.ts";
import type { ManagerEffect, ManagerEvent, ManagerState } from "./state.ts";

type Told<E> = E extends ManagerEvent ? Omit<E, "now" | "wall" | "view"> : never;

/** The manager of h2; what each step asks for stays in `effects` until the next. */
class Manager {
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

  /** Time passes; the store is heard of all the while. */
  wait(ms: number): void {
    for (let waited = 0; waited < ms; waited += 250) {
      this.#now += 250;
      const touched = { heartbeats: [], tick: false, others: true, vms: new Set<never>(), events: [] };
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

  /** The store says that `id` took the office. */
  term(id: string, term: number): this {
    this.records.put(keys.managerTerm, { schema: 1, term, host: host(id), at: 0 });
    return this;
  }

  committed(): CommitEnd {
    return { kind: "committed", revision: this.records.view.revision };
  }
}

const threeHosts = (): Records => ["h1", "h2", "h3"].reduce((records, name) => records.host(name), new Records());

describe("the office", () => {
  test("[S12] a claim that another one followed before it was seen leaves a standby, not a claimant for ever", () => {
    const manager = new Manager(threeHosts());
    manager.claims(() => manager.term("h2", 1).term("h3", 2).committed());
    expect(manager.state.leadership.kind).toBe("standby");
    manager.wait(limits.leaderSilenceMs);
    manager.claims(() => manager.term("h2", 3).committed());
    expect(manager.state.leadership.kind).toBe("leading");
  });
});

describe("the fence device", () => {
  const isCut = (manager: Manager) => manager.effects.some((effect) => effect.kind === "power-off");

  test("[S9] a leader that has lost contact cuts no power: the host may be back, and another may lead", () => {
    const manager = new Manager(threeHosts());
    manager.claims(() => manager.term("h2", 1).committed());
    manager.records
      .put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"))
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.owner(vmId("web")), held("h1", 1, 4))
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
    manager.wait(250);
    expect(isCut(manager)).toBe(true);
    manager.tell({ kind: "power-off-ended", key: "h1/1", off: false, cause: "unreachable" });
    manager.silence(limits.deviceRetryMaxMs);
    expect(isCut(manager)).toBe(false);
    manager.wait(limits.graceAfterLongGapMs);
    expect(isCut(manager)).toBe(false);
    manager.wait(250);
    expect(isCut(manager)).toBe(true);
  });
});
