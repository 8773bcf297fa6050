import { describe, expect, test } from "vitest";
import {
  epoch,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import type { InstantMs, PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Owner } from "../model/records.ts";
import { heartbeatOf } from "../model/view.ts";
import { type Contact, hear } from "./contact.ts";
import { decideFences, decideOrders, decideProofs, deviceWork } from "./decide-fences.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decided, ManagerKnowledge } from "./decision.ts";
import { limits } from "./limits.ts";
import { adoptTransaction, assertMayStart } from "./ownership.ts";

const now = 100_000 as InstantMs;
const none = new Set<string>();

/** Three hosts; h1 owns `web`; all heard just now unless named silent. */
function cluster(kind: "replicated" | "shared-dir", owner: Owner | null = held("h1", 1, 4)): Records {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  records.put(keys.pool("shared" as PoolId), pool("shared", kind)).put(keys.vm(vmId("web")), vm("web"));
  if (owner !== null) records.put(keys.owner(vmId("web")), owner);
  return records;
}

function knowledge(records: Records, silentSinceMs: Record<string, number> = {}): ManagerKnowledge {
  const contacts = new Map<ReturnType<typeof host>, Contact>();
  for (const [id, registration] of records.view.hosts) {
    const n = registration.value.incarnation;
    const beat = heartbeatOf(records.view, id, n);
    if (beat === undefined) continue;
    const heard = { incarnation: n, revision: beat.revision, heartbeat: beat.value };
    const at = (now - (silentSinceMs[id] ?? 100)) as InstantMs;
    contacts.set(id, hear(undefined, heard, 5_600, at, true));
  }
  return {
    now,
    wall: 0 as WallMs,
    self: host("h2"),
    contacts,
    fencesSeenAt: new Map(),
    ownWaitMs: 5_600,
    leadingSince: 0 as InstantMs,
    promised: new Map(),
  };
}

const judge = {
  own: { lastAt: now, since: 0 as InstantMs, graceUntil: 0 as InstantMs },
  startedAt: 0 as InstantMs,
  extraMs: 0,
  also: [],
};

const written = (decided: Decided, key: string): unknown => {
  for (const decision of decided.decisions) {
    for (const write of decision.transaction.writes)
      if (write.key === key && write.kind === "put") return JSON.parse(write.text);
  }
  return undefined;
};

describe("fences", () => {
  test("[S8] a host silent for D+M is fenced, guarded by the revision of its last heartbeat", () => {
    const records = cluster("replicated");
    const decided = decideFences(records.view, knowledge(records, { h1: 6_000 }), judge);
    expect(decided.decisions).toHaveLength(1);
    const compares = decided.decisions[0]?.transaction.compares ?? [];
    const revision = heartbeatOf(records.view, host("h1"), incarnation(1))?.revision;
    expect(compares).toContainEqual({ kind: "revision", key: keys.heartbeat(host("h1"), incarnation(1)), revision });
    expect(compares).toContainEqual({ kind: "absent", key: keys.fence(host("h1"), incarnation(1)) });
    expect(written(decided, keys.fence(host("h1"), incarnation(1)))).toMatchObject({
      cause: "silence",
      proofs: ["silence"],
      device: "not-needed",
    });
  });

  test("[S8] a host whose loss would start nothing elsewhere is not fenced, and that is said", () => {
    const records = cluster("replicated");
    const known = knowledge(records, { h1: 6_000, h3: 3_000 });
    const alone = { ...known, contacts: new Map([...known.contacts].filter(([id]) => id !== "h2")) };
    const decided = decideFences(records.view, alone, judge);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices.map((notice) => notice.event.type)).toEqual(["host-silent-not-fenced"]);
  });

  test("[S10] a shared pool without a fence device: no fence, because no proof could follow", () => {
    const records = cluster("shared-dir");
    expect(decideFences(records.view, knowledge(records, { h1: 6_000 }), judge).decisions).toEqual([]);
  });

  test("[S9] a shared pool with a device: the record comes first and says that the device has begun", () => {
    const records = cluster("shared-dir").put(keys.fenceDevice(host("h1")), {
      schema: 1,
      agent: "fence_ipmilan",
      options: {},
    });
    const decided = decideFences(records.view, knowledge(records, { h1: 6_000 }), judge);
    expect(written(decided, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "begun" });
    expect(deviceWork(records.view)).toEqual([]);
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
    expect(deviceWork(records.view)).toEqual([{ host: "h1", incarnation: 1 }]);
  });

  test("[S8] a host that nobody's VM depends on is left alone", () => {
    const records = cluster("replicated", held("h3", 1, 4));
    expect(decideFences(records.view, knowledge(records, { h1: 60_000 }), judge).decisions).toEqual([]);
  });
});

describe("placement", () => {
  test("[PL1] what a transaction under way promises to a host counts before the view shows it", () => {
    const records = cluster("replicated")
      .put(keys.owner(vmId("web")), held("h1", 1, 4))
      .put(keys.vm(vmId("big")), vm("big", { memoryMiB: 600 }))
      .put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
    const known = knowledge(records, { h1: 3_000, h3: 3_000 });
    const placed = (more: ManagerKnowledge): unknown =>
      written(decideVms(records.view, more, [], none), keys.owner(vmId("big")));
    expect(placed(known)).toMatchObject({ host: "h2" });
    records.put(keys.vm(vmId("other")), vm("other", { requested: "stopped", memoryMiB: 600 }));
    expect(placed({ ...known, promised: new Map([[vmId("other"), host("h2")]]) })).toBeUndefined();
  });
});

describe("orders", () => {
  const ordered = (records: Records, known: ManagerKnowledge) => decideOrders(records.view, known, judge.own, []);
  const frozenFor = (known: ManagerKnowledge, ms: number): ManagerKnowledge => {
    const contact = known.contacts.get(host("h1"));
    const frozen = { ...(contact as Contact), frozenSince: (now - ms) as InstantMs };
    return { ...known, contacts: new Map(known.contacts).set(host("h1"), frozen) };
  };

  test("[S13] VMs frozen for more than two deadlines under a host that beats: fenced by order, without a proof", () => {
    const records = cluster("replicated");
    expect(ordered(records, frozenFor(knowledge(records), 10_000)).decisions).toEqual([]);
    const decided = ordered(records, frozenFor(knowledge(records), 10_001));
    const record = written(decided, keys.fence(host("h1"), incarnation(1)));
    expect(record).toMatchObject({ cause: "order", proofs: [], device: "not-needed" });
  });

  test("[S13] an agent that this heart never heard is gone a minute after the incarnation was first heard", () => {
    const records = cluster("replicated").put(
      keys.heartbeat(host("h1"), incarnation(1)),
      heartbeat({ agentAgeMs: null }),
    );
    records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "failed"));
    const since = (ms: number): ManagerKnowledge => {
      const known = knowledge(records);
      const contact = { ...(known.contacts.get(host("h1")) as Contact), since: (now - ms) as InstantMs };
      return { ...known, contacts: new Map(known.contacts).set(host("h1"), contact) };
    };
    expect(ordered(records, since(60_000)).decisions).toEqual([]);
    expect(ordered(records, since(60_001)).decisions).toHaveLength(1);
  });

  test("[S13] an agent that is gone costs its host the VM only where the VM is known to be down", () => {
    const gone = heartbeat({ agentAgeMs: 60_001 });
    const records = cluster("replicated").put(keys.heartbeat(host("h1"), incarnation(1)), gone);
    records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
    expect(ordered(records, knowledge(records)).decisions).toEqual([]);
    records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "failed"));
    expect(ordered(records, knowledge(records)).decisions).toHaveLength(1);
  });
});

describe("proofs", () => {
  test("[S9] a fence by order is no proof before D+M from the receipt of its record", () => {
    const records = cluster("replicated").put(
      keys.fence(host("h1"), incarnation(1)),
      fence({ cause: "order", proofs: [] }),
    );
    const known = knowledge(records);
    expect(decideVms(records.view, known, [], none).decisions).toEqual([]);
    const early = decideProofs(records.view, { ...known, fencesSeenAt: new Map([["h1/1", now - 5_599]]) }, []);
    expect(early.decisions).toEqual([]);
    expect(early.wakeAt).toBe(now + 1);
    const due = decideProofs(records.view, { ...known, fencesSeenAt: new Map([["h1/1", now - 5_600]]) }, []);
    expect(written(due, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ proofs: ["waited"] });
  });

  test("[S7, S9] a host whose guards enforce a longer D than this manager's is waited for as long as that", () => {
    const records = cluster("replicated").put(
      keys.fence(host("h1"), incarnation(1)),
      fence({ cause: "order", proofs: [] }),
    );
    records.put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ deadlineMs: 15_000, marginMs: 1_000 }));
    const waited = (ms: number) =>
      decideProofs(records.view, { ...knowledge(records), fencesSeenAt: new Map([["h1/1", now - ms]]) }, []);
    expect(waited(15_999).decisions).toEqual([]);
    expect(written(waited(16_000), keys.fence(host("h1"), incarnation(1)))).toMatchObject({ proofs: ["waited"] });
  });

  test("[S9] a device is begun only for the registration that was read: a host that rejoined meanwhile refuses it", () => {
    const records = cluster("shared-dir")
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), fence());
    const decided = decideProofs(records.view, knowledge(records), []);
    expect(written(decided, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "begun" });
    const revision = records.view.hosts.get(host("h1"))?.revision;
    const compare = { kind: "revision", key: keys.host(host("h1")), revision };
    expect(decided.decisions[0]?.transaction.compares).toContainEqual(compare);
  });

  test("[S10] silence proves a lost host for a replicated pool, never for a shared folder", () => {
    const replicated = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(decideVms(replicated.view, knowledge(replicated), [], none).decisions).toHaveLength(1);
    const shared = cluster("shared-dir").put(keys.fence(host("h1"), incarnation(1)), fence());
    const decided = decideVms(shared.view, knowledge(shared), [], none);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event).toMatchObject({ type: "vm-waits-for-proof", reason: { code: "proof-missing" } });
  });

  test("[S9] power is not cut once the host lives on in a later incarnation; the device is given up instead", () => {
    const records = cluster("shared-dir")
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }))
      .host("h1", 2);
    expect(deviceWork(records.view)).toEqual([]);
    const decided = decideProofs(records.view, knowledge(records), []);
    expect(written(decided, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "abandoned" });
  });

  test("[S9, S11] a host that came back and died again before it claimed its VM is fenced and switched off for it", () => {
    const records = cluster("shared-dir")
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "abandoned" }))
      .host("h1", 2);
    const known = knowledge(records, { h1: 6_000 });
    // Nobody owns a VM as h1/2; still its fence is what lets the VM of h1/1 go on.
    const fenced = decideFences(records.view, known, judge);
    expect(written(fenced, keys.fence(host("h1"), incarnation(2)))).toMatchObject({ device: "not-needed" });
    expect(decideProofs(records.view, known, []).decisions).toEqual([]);
    records.put(keys.fence(host("h1"), incarnation(2)), fence({ device: "not-needed" }));
    const again = decideProofs(records.view, known, []);
    expect(written(again, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "begun" });
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
    expect(deviceWork(records.view)).toEqual([{ host: "h1", incarnation: 1 }]);
  });

  test("[S8] an earlier incarnation that is proven gone is no reason for another fence", () => {
    const proven = fence({ device: "confirmed", proofs: ["silence", "power-off"] });
    const records = cluster("shared-dir")
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), proven)
      .host("h1", 2);
    expect(decideFences(records.view, knowledge(records, { h1: 6_000 }), judge).decisions).toEqual([]);
  });

  test("[S9, S11] a device that an earlier leader may have called is given up only once that call must be over", () => {
    const records = cluster("shared-dir")
      .put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} })
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }))
      .host("h1", 2);
    const known = { ...knowledge(records), fencesSeenAt: new Map([["h1/1", 1_000]]), leadingSince: 2_000 as InstantMs };
    const early = decideProofs(records.view, known, []);
    expect(early.decisions).toEqual([]);
    const due = decideProofs(records.view, { ...known, now: early.wakeAt as InstantMs }, []);
    expect(written(due, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "abandoned" });
    expect(early.wakeAt).toBe(now - 100 + limits.deviceCallMaxMs + 2 * limits.ownGapMaxMs);
  });
});

describe("owners", () => {
  test("[S14] a recovery raises the epoch and compares owner, proof, target's registration and its missing fence", () => {
    const records = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(written(decided, keys.owner(vmId("web")))).toEqual(held("h2", 1, 5));
    const compared = decided.decisions[0]?.transaction.compares.map((compare) => compare.key);
    for (const key of [
      keys.owner(vmId("web")),
      keys.fence(host("h1"), incarnation(1)),
      keys.host(host("h2")),
      keys.fence(host("h2"), incarnation(1)),
    ]) {
      expect(compared).toContain(key);
    }
  });

  test("[S14] a held VM whose holder is only silent is never touched", () => {
    const records = cluster("replicated");
    expect(decideVms(records.view, knowledge(records, { h1: 60_000 }), [], none).decisions).toEqual([]);
  });

  test("[PL1] the fit host with the least VMs is taken; each other says why it lost", () => {
    const records = cluster("replicated", null)
      .put(keys.vm(vmId("db")), vm("db"))
      .put(keys.owner(vmId("db")), held("h1", 1, 1));
    const decided = decideVms(records.view, knowledge(records, { h3: 3_000 }), [], none);
    expect(written(decided, keys.owner(vmId("web")))).toEqual(held("h2", 1, 1));
    const why = decided.decisions[0]?.events[0]?.alternatives.map((other) => [other.option, other.why.code]);
    expect(why).toEqual([
      ["h3", "host-is-silent"],
      ["h1", "host-has-more-vms"],
    ]);
  });

  test("[PL1, S9] no VM is placed on a host that came back while its power is being cut", () => {
    const records = cluster("replicated", null)
      .host("h1", 2)
      .put(keys.owner(vmId("db")), held("h1", 1, 3));
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    const why = decided.decisions[0]?.events[0]?.alternatives.find((other) => other.option === "h1");
    expect(why?.why.code).toBe("host-power-being-cut");
  });

  test("[PL1] memory is a hard limit: where no host has room the VM waits and says so", () => {
    const records = cluster("replicated", null).put(keys.vm(vmId("web")), vm("web", { memoryMiB: 4_000 }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event.type).toBe("vm-nowhere");
    expect(decided.notices[0]?.event.alternatives.map((other) => other.why.code)).toEqual(
      Array(3).fill("host-memory-short"),
    );
  });

  test("[PL1] two VMs placed in one decision do not share the same room", () => {
    const records = cluster("replicated", null).put(keys.vm(vmId("web")), vm("web", { memoryMiB: 700 }));
    for (const name of ["a", "b"]) records.put(keys.vm(vmId(name)), vm(name, { memoryMiB: 700 }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    const hosts = ["a", "b", "web"].map((name) => (written(decided, keys.owner(vmId(name))) as Owner).host);
    expect(new Set(hosts).size).toBe(3);
  });

  test("a VM that failed on more hosts than maxRelocate allows is not tried again until it is asked to stop", () => {
    const failed: Owner = {
      schema: 1,
      kind: "released",
      host: host("h2"),
      epoch: epoch(9),
      failed: "killed",
      failedHosts: [host("h1"), host("h2")],
    };
    const records = cluster("replicated", failed);
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event.type).toBe("vm-gave-up");
    records.put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
    const forgotten = decideVms(records.view, knowledge(records), [], none);
    expect(written(forgotten, keys.owner(vmId("web")))).toMatchObject({ failedHosts: [], epoch: 9 });
  });

  test("[S11, S14] a lost VM that nobody wants is given up with a new epoch: its frozen copy is never gone on with", () => {
    const records = cluster("replicated")
      .put(keys.fence(host("h1"), incarnation(1)), fence())
      .put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }))
      .host("h1", 2);
    const released = written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web"))) as Owner;
    expect(released).toMatchObject({ kind: "released", epoch: 5 });
    // Wanted again and placed on h1: what adoption of epoch 4 would have written is 5.
    records.put(keys.owner(vmId("web")), released).put(keys.vm(vmId("web")), vm("web"));
    const placed = written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web")));
    expect(placed).toMatchObject({ kind: "held", epoch: 6 });
  });

  test("an owner record that cannot be read is not an absent one: nothing is decided", () => {
    const records = cluster("replicated", null).put(keys.owner(vmId("web")), { schema: 2, what: "newer" });
    expect(records.view.unreadable.has(keys.owner(vmId("web")))).toBe(true);
    expect(decideVms(records.view, knowledge(records), [], none)).toEqual({
      decisions: [],
      notices: [],
      wakeAt: undefined,
    });
  });

  test("[S11] adoption compares the owner it has read, and waits while a device may cut the power", () => {
    const records = cluster("shared-dir")
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }))
      .host("h1", 2);
    const me = { host: host("h1"), incarnation: incarnation(2) };
    expect(adoptTransaction(records.view, vmId("web"), me)).toBeUndefined();
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "abandoned" }));
    const claim = adoptTransaction(records.view, vmId("web"), me);
    const owner = records.view.owners.get(vmId("web"));
    expect(claim?.compares).toContainEqual({
      kind: "revision",
      key: keys.owner(vmId("web")),
      revision: owner?.revision,
    });
    expect(claim?.writes[0]).toMatchObject({ text: JSON.stringify(held("h1", 2, 5)) });
  });

  test("[S14] a start is asserted against the owner record again", () => {
    const records = cluster("replicated");
    const run = { vm: vmId("web"), incarnation: incarnation(1), epoch: epoch(4) };
    expect(() => assertMayStart(records.view, run, host("h1"))).not.toThrow();
    expect(() => assertMayStart(records.view, run, host("h2"))).toThrow("the owner is h1");
    expect(() => assertMayStart(records.view, { ...run, epoch: epoch(3) }, host("h1"))).toThrow("the owner's is 4");
    records.put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(() => assertMayStart(records.view, run, host("h1"))).toThrow("is fenced");
  });
});
