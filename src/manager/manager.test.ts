import { describe, expect, test } from "vitest";
import { ManagerRig } from "../../test/support/manager-rig.ts";
import {
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  member,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, Revision } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { applyChanges } from "../model/view.ts";

const threeHosts = (): Records => ["h1", "h2", "h3"].reduce((records, name) => records.host(name), new Records());

/** h1/1 owned `web` on a shared folder and is fenced; its power is to be cut. */
function withFencedHost(records: Records): Records {
  return records
    .put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"))
    .put(keys.vm(vmId("web")), vm("web"))
    .put(keys.owner(vmId("web")), held("h1", 1, 4))
    .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
    .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
}

describe("the office", () => {
  test("[S12] a claim that another one followed before it was seen leaves a standby, not a claimant for ever", () => {
    const manager = new ManagerRig(threeHosts());
    manager.claims(() => manager.term("h2", 1).term("h3", 2).committed());
    expect(manager.state.leadership.kind).toBe("standby");
    manager.wait(limits.leaderSilenceMs);
    manager.claims(() => manager.term("h2", 3).committed());
    expect(manager.state.leadership.kind).toBe("leading");
  });

  test("[S12, S22] a claim that came too late is not made again before this process sees why", () => {
    const manager = new ManagerRig(threeHosts());
    manager.term("h1", 1).records.put(keys.managerTick, { schema: 1, term: 1, tick: 9, last: true });
    const touched = { heartbeats: [], tick: true, usages: false, others: false, vms: new Set<never>(), events: [] };
    manager.tell({ kind: "changed", touched });
    // h3 was faster, and the watch lags.
    const revision = (manager.records.view.revision + 2) as Revision;
    manager.claims(() => ({ kind: "refused", found: [], revision }));
    expect(manager.effects.filter((effect) => effect.kind === "commit")).toEqual([]);
    manager.wait(limits.officeLeftMs);
    expect(manager.effects.filter((effect) => effect.kind === "commit")).toEqual([]);
    manager.term("h3", 2).records.put(keys.managerTick, { schema: 1, term: 2, tick: 0 });
    manager.tell({ kind: "changed", touched: { ...touched, others: true } });
    expect(manager.effects.filter((effect) => effect.kind === "commit")).toEqual([]);
    manager.wait(limits.leaderSilenceMs);
    manager.claims(() => manager.term("h2", 3).committed());
    expect(manager.state.leadership.kind).toBe("leading");
  });
});

describe("the manager of a host that was removed", () => {
  const by = { name: "root", role: "admin", requestId: "" };
  const gone = {
    schema: 1,
    member: member("h2"),
    device: null,
    incarnation: 1,
    store: "voting",
    takenBackAt: null,
    by,
    at: 0,
  };

  test("[HM7] claims no office, and lays down what it has", () => {
    const out = new ManagerRig(
      threeHosts()
        .put(keys.removedHost(host("h2")), gone)
        .remove(keys.member(host("h2"))),
    );
    expect(() => out.leads()).toThrow("does not claim");
    const manager = new ManagerRig(threeHosts()).leads();
    manager.records.put(keys.removedHost(host("h2")), gone).remove(keys.member(host("h2")));
    manager.wait(250);
    expect(manager.state.leadership.kind).toBe("standby");
    expect(manager.written(keys.managerTick)).toMatchObject({ last: true });
  });
});

describe("a takeover that is half written", () => {
  const forced = { by: "h2", without: ["h1"], at: 1 };
  const cluster = { schema: 1, id: "c", name: "c", format: 1, createdAt: 0 };

  test("[S24] holds every manager: what it has not come to yet would be decided by old records", () => {
    const half = new ManagerRig(threeHosts().put(keys.cluster, { ...cluster, forced: { ...forced, open: true } }));
    expect(() => half.leads()).toThrow("does not claim");
    half.records.put(keys.cluster, { ...cluster, forced });
    expect(half.leads().state.leadership.kind).toBe("leading");
  });

  test("[S24] holds also by the mark of its host, and whoever was in office is not any more", () => {
    const manager = new ManagerRig(threeHosts()).leads();
    manager.tell({ kind: "woke", isHeld: true });
    expect(manager.state.leadership.kind).toBe("standby");
    expect(manager.effects.map(({ kind }) => kind)).toEqual(["wake-at"]);
  });
});

describe("a fence by order", () => {
  test("[S9, S13] is decided on as soon as the heartbeat is heard that it rests on: the next one refuses it", () => {
    const records = threeHosts()
      .put(keys.pool("shared" as PoolId), pool("shared", "replicated"))
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.owner(vmId("web")), held("h1", 1, 4))
      .put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "failed"));
    const beat = (agentAgeMs: number): void => {
      const heartbeats = ["h1", "h2", "h3"].map((name) => {
        const more = { seq: records.view.revision, agentAgeMs: name === "h1" ? agentAgeMs : 0 };
        records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat(more));
        return { host: host(name), incarnation: incarnation(1), revision: records.view.revision };
      });
      const nothing = { tick: false, usages: false, others: false, vms: new Set<never>(), events: [] };
      leader.tell({ kind: "changed", touched: { ...nothing, heartbeats } });
    };
    const leader = new ManagerRig(records).leads();
    for (let i = 0; i < 40; i++) {
      beat(limits.agentSilentMs);
      leader.wait(250);
    }
    beat(limits.agentSilentMs);
    expect(leader.written(keys.fence(host("h1"), incarnation(1)))).toBeUndefined();
    beat(limits.agentSilentMs + 1);
    expect(leader.written(keys.fence(host("h1"), incarnation(1)))).toMatchObject({ cause: "order" });
  });
});

describe("a transaction that no store takes", () => {
  test("is not asked for again at once, and keeps nothing else waiting", () => {
    const records = threeHosts().put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
    const beats = (): void => {
      for (const name of ["h1", "h2", "h3"]) {
        const key = keys.heartbeat(host(name), incarnation(1));
        records.put(key, {
          ...records.view.heartbeats.get(host(name))?.get(incarnation(1))?.value,
          seq: records.view.revision,
        } as never);
      }
    };
    const leader = new ManagerRig(records);
    beats();
    leader.leads();
    const asksFor = (name: string): number | undefined => {
      const key = keys.owner(vmId(name));
      const asked = leader.effects.find(
        (effect) => effect.kind === "commit" && effect.transaction.writes.some((write) => write.key === key),
      );
      return asked?.kind === "commit" ? asked.id : undefined;
    };
    const wait = (ms: number, name: string): boolean => {
      for (let waited = 0; waited < ms; waited += 250) {
        beats();
        leader.wait(250);
        if (asksFor(name) !== undefined) return true;
      }
      return false;
    };
    records.put(keys.vm(vmId("web")), vm("web"));
    expect(wait(1_000, "web")).toBe(true);
    leader.tell({ kind: "commit-ended", id: asksFor("web") ?? 0, end: { kind: "too-large", params: {} } });
    expect(wait(limits.tooLargeRetryMs - 1_000, "web")).toBe(false);
    records.put(keys.vm(vmId("db")), vm("db"));
    expect(wait(250, "db")).toBe(true);
    expect(wait(2_000, "web")).toBe(true);
  });
});

describe("the fence device", () => {
  const key = keys.fence(host("h1"), incarnation(1));
  const failed = { kind: "power-off-ended", key: "h1/1", off: false, cause: "unreachable" } as const;

  test("[S9] a power-off that was confirmed is committed as the proof", () => {
    const leader = new ManagerRig(withFencedHost(threeHosts())).leads();
    expect(leader.effects).toContainEqual(expect.objectContaining({ kind: "power-off", key: "h1/1" }));
    leader.tell({ kind: "power-off-ended", key: "h1/1", off: true, cause: "" });
    expect(leader.written(key)).toMatchObject({ device: "confirmed", proofs: ["silence", "power-off"] });
  });

  test("[S9, S11] also where the host had come back meanwhile: it went dark with the old incarnation", () => {
    const leader = new ManagerRig(withFencedHost(threeHosts())).leads();
    leader.records.host("h1", 2);
    leader.wait(500);
    expect(leader.written(key), "nothing is decided while the device is at work").toBeUndefined();
    leader.tell({ kind: "power-off-ended", key: "h1/1", off: true, cause: "" });
    expect(leader.written(key)).toMatchObject({ device: "confirmed", proofs: ["silence", "power-off"] });
  });

  test("[S9, S11] a device that failed is given up at once by the leader that made all its calls", () => {
    const leader = new ManagerRig(threeHosts()).leads();
    withFencedHost(leader.records);
    leader.wait(250);
    expect(leader.cutsPower()).toBe(true);
    leader.records.host("h1", 2);
    leader.tell(failed);
    expect(leader.written(key)).toMatchObject({ device: "abandoned", proofs: ["silence"] });
    expect(leader.cutsPower()).toBe(false);
  });

  test("[S9, S11] an earlier leader's call may still be at work: a later leader waits until it must be over", () => {
    const leader = new ManagerRig(withFencedHost(threeHosts())).leads();
    leader.records.host("h1", 2);
    leader.wait(250);
    leader.tell(failed);
    leader.wait(limits.deviceCallMaxMs);
    expect(leader.written(key)).toBeUndefined();
    leader.wait(2 * limits.ownGapMaxMs);
    expect(leader.written(key)).toMatchObject({ device: "abandoned", proofs: ["silence"] });
  });

  test("[S9] a leader that has lost contact cuts no power: the host may be back, and another may lead", () => {
    const leader = new ManagerRig(threeHosts()).leads();
    withFencedHost(leader.records);
    leader.wait(250);
    leader.tell(failed);
    leader.silence(limits.deviceRetryMaxMs);
    expect(leader.cutsPower()).toBe(false);
    leader.wait(limits.graceAfterLongGapMs);
    expect(leader.cutsPower()).toBe(false);
    leader.wait(250);
    expect(leader.cutsPower()).toBe(true);
  });
});

describe("measured figures", () => {
  const usage = { schema: 1, incarnation: 1, host: { cores: 1, memoryMiB: 100 }, vms: {}, at: 0 };

  /** Figures of h1 come in; true: decides about the cluster. */
  function decidesOn(manager: ManagerRig, mode: string): boolean {
    manager.records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode } });
    manager.wait(250);
    const text = JSON.stringify(usage);
    const revision = (manager.records.view.revision + 1) as Revision;
    const change = { kind: "put", key: keys.hostUsage(host("h1")), text, revision } as const;
    const touched = applyChanges(manager.records.view, [change], revision);
    manager.tell({ kind: "changed", touched });
    return manager.effects.length > 0;
  }

  test("[PL4] are decided upon by the leader alone, and only where hosts are compared by them", () => {
    const leader = new ManagerRig(threeHosts()).leads();
    expect([decidesOn(leader, "basic"), decidesOn(leader, "static"), decidesOn(leader, "dynamic")]).toEqual([
      false,
      false,
      true,
    ]);
    const standby = new ManagerRig(threeHosts().put(keys.managerTerm, { schema: 1, term: 1, host: "h3", at: 0 }));
    expect(decidesOn(standby, "dynamic")).toBe(false);
  });
});
