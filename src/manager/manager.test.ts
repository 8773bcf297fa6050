import { describe, expect, test } from "vitest";
import { fence, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { profiles } from "../core/limits.ts";
import type { InstantMs, PoolId, Revision, Term, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { startManager, stepManager } from "./manager.ts";
import type { ManagerEffect, ManagerEvent, ManagerState } from "./state.ts";

type Told<E> = E extends ManagerEvent ? Omit<E, "now" | "wall" | "view"> : never;

/** The manager of h2, led through its claim of the office: what it does is collected in `effects`. */
class Leader {
  readonly records: Records;
  effects: readonly ManagerEffect[] = [];
  #state: ManagerState;
  #now = 10_000;

  constructor(records: Records) {
    this.records = records;
    this.#state = startManager(host("h2"), profiles.default, this.#now as InstantMs);
    this.tell({ kind: "synced" });
    const claims = () => this.effects.find((effect) => effect.kind === "commit");
    for (let rounds = 0; rounds < 20 && claims() === undefined; rounds++) this.wait(250);
    const claim = claims();
    if (claim?.kind !== "commit") throw new Error("h2 does not claim the office");
    records.put(keys.managerTerm, { schema: 1, term: 1 as Term, host: host("h2"), at: 0 });
    this.tell({ kind: "commit-ended", id: claim.id, end: { kind: "committed", revision: this.#revision() } });
  }

  tell(event: Told<ManagerEvent>): void {
    const moment = { now: this.#now as InstantMs, wall: 0 as WallMs, view: this.records.view };
    const step = stepManager(this.#state, { ...event, ...moment } as ManagerEvent);
    this.#state = step.state;
    this.effects = step.effects;
  }

  /** Time passes while h2 keeps hearing of the store. */
  wait(ms: number): void {
    for (let waited = 0; waited < ms; waited += 250) {
      this.#now += 250;
      const touched = { heartbeats: [], tick: false, others: true, vms: new Set<never>(), events: [] };
      this.tell({ kind: "changed", touched });
    }
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

  #revision(): Revision {
    return this.records.view.revision;
  }
}

/** h1/1 owned `web` on a shared folder and is fenced; its power is to be cut. */
function fencedHost(): Records {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  return records
    .put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"))
    .put(keys.vm(vmId("web")), vm("web"))
    .put(keys.owner(vmId("web")), held("h1", 1, 4))
    .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
    .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
}

describe("the fence device", () => {
  const key = keys.fence(host("h1"), incarnation(1));

  test("[S9] a power-off that was confirmed is committed as the proof", () => {
    const leader = new Leader(fencedHost());
    expect(leader.effects).toContainEqual(expect.objectContaining({ kind: "power-off", key: "h1/1" }));
    leader.tell({ kind: "power-off-ended", key: "h1/1", off: true, cause: "" });
    expect(leader.written(key)).toMatchObject({ device: "confirmed", proofs: ["silence", "power-off"] });
  });

  test("[S9, S11] also where the host had come back meanwhile: it went dark with the old incarnation", () => {
    const leader = new Leader(fencedHost());
    leader.records.host("h1", 2);
    leader.wait(500);
    expect(leader.written(key), "nothing is decided while the device is at work").toBeUndefined();
    leader.tell({ kind: "power-off-ended", key: "h1/1", off: true, cause: "" });
    expect(leader.written(key)).toMatchObject({ device: "confirmed", proofs: ["silence", "power-off"] });
  });

  test("[S9, S11] a device that failed is given up once the host has come back and no earlier leader's call can run", () => {
    const leader = new Leader(fencedHost());
    leader.records.host("h1", 2);
    leader.tell({ kind: "power-off-ended", key: "h1/1", off: false, cause: "unreachable" });
    expect(leader.written(key)).toBeUndefined();
    for (let waits = 0; waits < 160 && leader.written(key) === undefined; waits++) {
      leader.wait(250);
      expect(leader.effects.some((effect) => effect.kind === "power-off")).toBe(false);
    }
    expect(leader.written(key)).toMatchObject({ device: "abandoned", proofs: ["silence"] });
  });
});
