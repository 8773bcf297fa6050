import { describe, expect, test } from "vitest";
import { cluster, judge, knowledge, none, now, written } from "../../test/support/decision-rig.ts";
import {
  epoch,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  move,
  type Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import type { InstantMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { heartbeatOf } from "../model/view.ts";
import type { Contact } from "./contact.ts";
import { decideFences, decideOrders } from "./decide-fences.ts";
import { decideProofs, deviceWork } from "./decide-proofs.ts";
import { decideVms } from "./decide-vms.ts";
import type { ManagerKnowledge } from "./decision.ts";
import { limits } from "./limits.ts";

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

  test("[S13] an order is guarded by the heartbeat that it rests on: the next one may say otherwise", () => {
    const records = cluster("replicated");
    const known = frozenFor(knowledge(records), 10_001);
    const [decision] = ordered(records, known).decisions;
    const { revision } = known.contacts.get(host("h1")) as Contact;
    const key = keys.heartbeat(host("h1"), incarnation(1));
    expect(decision?.transaction.compares).toContainEqual({ kind: "revision", key, revision });
  });

  test("[S13] an agent that no heart of the incarnation heard is gone a minute after that was first heard", () => {
    const records = cluster("replicated")
      .put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "failed"))
      .put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ agentAgeMs: null }));
    const since = (ms: number): ManagerKnowledge => {
      const known = knowledge(records);
      const contact = { ...(known.contacts.get(host("h1")) as Contact), agentLivedAt: (now - ms) as InstantMs };
      return { ...known, contacts: new Map(known.contacts).set(host("h1"), contact) };
    };
    expect(ordered(records, since(60_000)).decisions).toEqual([]);
    expect(ordered(records, since(60_001)).decisions).toHaveLength(1);
  });

  test("[S13] an agent that is gone costs its host the VM only where the VM is known to be down", () => {
    const gone = heartbeat({ agentAgeMs: 60_001 });
    const beat = keys.heartbeat(host("h1"), incarnation(1));
    const records = cluster("replicated").put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
    records.put(beat, gone);
    expect(ordered(records, knowledge(records)).decisions).toEqual([]);
    records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "failed"));
    // Whoever wrote that after the heartbeat is the agent, which is back.
    expect(ordered(records, knowledge(records)).decisions).toEqual([]);
    records.put(beat, gone);
    expect(ordered(records, knowledge(records)).decisions).toHaveLength(1);
  });
});

describe("orders about moves", () => {
  const silent = heartbeat({ agentAgeMs: 60_001 });
  const ordered = (records: Records) => {
    records.put(keys.heartbeat(host("h1"), incarnation(1)), silent);
    return decideOrders(records.view, knowledge(records), judge.own, []).decisions;
  };
  const live = { kind: "switched", incarnation: incarnation(1) } as const;
  const waiting = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };

  test("[S13, S15] a source without its agent that keeps a VM from running elsewhere is fenced, and only for that", () => {
    const records = cluster("replicated", held("h2", 1, 5))
      .put(keys.vmMove(vmId("web")), move("web", "h1", "h2", { epoch: epoch(4), live }))
      .put(keys.vmStatus(vmId("web")), status("h2", 1, 5, "running"));
    expect(ordered(records)).toEqual([]);
    records.put(keys.fence(host("h2"), incarnation(1)), fence());
    expect(ordered(records)).toHaveLength(1);
  });

  test("[S13, S15] a guest that was being copied when its agent fell silent stands still: it counts as down", () => {
    const copying = { percent: 40, mibPerSecond: 80, remainingMiB: 9, expectedDowntimeMs: null, link: "10.0.1.2" };
    const records = cluster("replicated")
      .put(keys.vmMove(vmId("web")), move("web", "h1", "h2", { epoch: epoch(4), live: waiting }))
      .put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
    expect(ordered(records)).toEqual([]);
    records.put(keys.vmStatus(vmId("web")), { ...status("h1", 1, 4, "running"), copying });
    expect(ordered(records)).toHaveLength(1);
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
    const known = { ...knowledge(records), fencesSeenAt: new Map([["h1/1", 1_000]]) };
    const decided = decideProofs(records.view, known, []);
    expect(written(decided, keys.fence(host("h1"), incarnation(1)))).toMatchObject({ device: "abandoned" });
  });

  test("[S9, PL1] a device is given up for a host that is back also where nothing of its earlier life is owned any more", () => {
    const records = cluster("shared-dir")
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun", proofs: ["silence", "last-word"] }))
      .put(keys.owner(vmId("web")), held("h2", 1, 2))
      .host("h1", 2);
    const known = { ...knowledge(records), fencesSeenAt: new Map([["h1/1", 1_000]]) };
    const decided = decideProofs(records.view, known, []);
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
