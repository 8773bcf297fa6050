import { describe, expect, test } from "vitest";
import { cluster, knowledge, none, now, written } from "../../test/support/decision-rig.ts";
import {
  epoch,
  fence,
  host,
  incarnation,
  move,
  paused,
  plan,
  type Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import { must } from "../base/assert.ts";
import { keys } from "../model/keys.ts";
import type { VmMove, VmOrder } from "../model/move-records.ts";
import { type Owner, systemActor } from "../model/records.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decided, ManagerKnowledge } from "./decision.ts";
import { failureKey } from "./move-attempts.ts";

const web = vmId("web");
const released: Owner = {
  schema: 1,
  kind: "released",
  host: host("h1"),
  epoch: epoch(4),
  failed: null,
  failedHosts: [],
};

/** `web` runs on h1 as epoch 4. */
const running = (): Records => cluster("replicated").put(keys.vmStatus(web), status("h1", 1, 4, "running"));
const decide = (records: Records, known: ManagerKnowledge = knowledge(records)): Decided =>
  decideVms(records.view, known, [], none);
const removed = (decided: Decided, key: string): boolean =>
  decided.decisions.some(({ transaction }) => transaction.writes.some((w) => w.key === key && w.kind === "delete"));
const order = (to: string): VmOrder => ({
  schema: 1,
  vm: web,
  order: { kind: "relocate", to: host(to) },
  actor: systemActor,
  at: 0 as VmOrder["at"],
});
const said = (decided: Decided): string[] => [
  ...decided.notices.map(({ event }) => event.type),
  ...decided.decisions.flatMap(({ events }) => events.map(({ type }) => type)),
];

describe("orders", () => {
  test("[HM1] an order becomes the move of the very run that it was given for, and nothing is started", () => {
    const records = running().put(keys.vmOrder(web), order("h2"));
    const decided = decide(records);
    expect(written(decided, keys.vmMove(web))).toMatchObject({ kind: "relocate", from: "h1", to: "h2", epoch: 4 });
    expect(removed(decided, keys.vmOrder(web))).toBe(true);
    expect(written(decided, keys.owner(web))).toBeUndefined();
    const revision = records.view.owners.get(web)?.revision;
    expect(decided.decisions[0]?.transaction.compares).toContainEqual({
      kind: "revision",
      key: keys.owner(web),
      revision,
    });
  });

  test("[HM1] an order waits while the VM is not at rest: its start, its recovery and its move come first", () => {
    const records = cluster("replicated").put(keys.vmOrder(web), order("h2"));
    expect(decide(records).decisions).toEqual([]);
    records.put(keys.vmStatus(web), status("h1", 1, 4, "starting"));
    expect(decide(records).decisions).toEqual([]);
    records.put(keys.vmStatus(web), status("h1", 1, 4, "running"));
    expect(decide(records, knowledge(records, { h1: 3_000 })).decisions).toEqual([]);
    records.put(keys.vmMove(web), move("web", "h1", "h3"));
    expect(decide(records).decisions).toEqual([]);
  });

  test.each([
    ["to a host that is silent", (records: Records) => records, "h3", "host-is-silent"],
    [
      "to a host without room",
      (r: Records) => r.put(keys.vm(web), vm("web", { memoryMiB: 2_000 })),
      "h2",
      "host-memory-short",
    ],
    [
      "to a host in maintenance",
      (r: Records) => r.put(keys.maintenance(host("h2")), maintenance),
      "h2",
      "host-in-maintenance",
    ],
    ["of a VM in error", (r: Records) => r.put(keys.vmPlan(web), plan({ error })), "h2", "vm-is-in-error"],
    ["of a VM under a lock", (r: Records) => r.put(keys.vm(web), vm("web", { lock })), "h2", "vm-is-locked"],
    [
      "of an ignored VM",
      (r: Records) => r.put(keys.vm(web), vm("web", { requested: "ignored" })),
      "h2",
      "vm-is-ignored",
    ],
    ["while disarmed", (r: Records) => r.put(keys.disarm, disarm), "h2", "disarmed"],
  ])("[HM1] an order %s is dropped with the cause", (_, change, to, code) => {
    const records = change(running()).put(keys.vmOrder(web), order(to));
    const decided = decide(records, knowledge(records, { h3: 3_000 }));
    expect(removed(decided, keys.vmOrder(web))).toBe(true);
    const told = decided.decisions.flatMap(({ events }) => events);
    expect(told.map(({ type, reason }) => [type, reason?.code])).toEqual([["vm-order-dropped", code]]);
  });

  test("[HM1] of a guest that stands still: a live move is dropped with what keeps it, a stop and start is carried out", () => {
    const stands = (kind: "migrate" | "relocate", ...by: string[]) =>
      decide(
        running()
          .put(keys.vmStatus(web), paused("h1", 1, 4, ...by))
          .put(keys.vmOrder(web), { ...order("h2"), order: { kind, to: host("h2") } }),
      );
    const dropped = stands("migrate", "storage-error");
    expect(written(dropped, keys.vmMove(web))).toBeUndefined();
    expect(dropped.decisions.flatMap(({ events }) => events)).toMatchObject([
      { type: "vm-order-dropped", reason: { code: "guest-is-paused", params: { host: "h1", by: "storage-error" } } },
    ]);
    // An agent that has just come up is still looking: the order waits for its word.
    expect(stands("migrate").decisions).toEqual([]);
    expect(said(stands("relocate", "storage-error"))).toEqual(["vm-move-begun"]);
  });

  test("[HM1] an order to where it is by now has been served, and that is said", () => {
    const decided = decide(running().put(keys.vmOrder(web), order("h1")));
    expect(removed(decided, keys.vmOrder(web))).toBe(true);
    expect(said(decided)).toEqual(["vm-order-served"]);
  });

  test("[HM1] with an order that is dropped an older failure is forgotten, which its task would tell as its own", () => {
    const records = running().put(keys.vmOrder(web), order("h3"));
    records.put(keys.vmPlan(web), plan({ failedMoves: { count: 2, to: host("h3"), code: "vm-did-not-stop" } }));
    const decided = decide(records, knowledge(records, { h3: 3_000 }));
    expect(said(decided)).toEqual(["vm-order-dropped"]);
    expect(removed(decided, keys.vmPlan(web))).toBe(true);
  });

  test("[HM1] a VM that does not run changes its place, and one that never ran gets one", () => {
    const stopped = vm("web", { requested: "stopped" });
    const records = cluster("replicated", released).put(keys.vm(web), stopped).put(keys.vmOrder(web), order("h2"));
    expect(written(decide(records), keys.vmMove(web))).toMatchObject({ from: "h1", to: "h2", epoch: null });
    records.put(keys.vmMove(web), move("web", "h1", "h2", { epoch: null }));
    expect(written(decide(records), keys.owner(web))).toMatchObject({ kind: "released", host: "h2", epoch: 4 });
    const never = cluster("replicated", null).put(keys.vm(web), stopped).put(keys.vmOrder(web), order("h3"));
    expect(written(decide(never), keys.owner(web))).toMatchObject({ kind: "released", host: "h3", epoch: 0 });
  });
});

describe("moves", () => {
  test("[HM1, S14] what its holder let go is placed on the aim, or elsewhere where the aim will not do any more", () => {
    const records = cluster("replicated", released).put(keys.vmMove(web), move("web", "h1", "h3"));
    expect(written(decide(records), keys.owner(web))).toMatchObject({ kind: "held", host: "h3", epoch: 5 });
    const without = decide(records, knowledge(records, { h3: 3_000 }));
    expect(written(without, keys.owner(web))).toMatchObject({ kind: "held", epoch: 5 });
    expect(written(without, keys.owner(web))).not.toMatchObject({ host: "h3" });
  });

  test("[HM1] a move of a run that is over ends without being carried out", () => {
    const records = running().put(keys.vmMove(web), move("web", "h1", "h3", { epoch: epoch(3) }));
    const decided = decide(records);
    expect(removed(decided, keys.vmMove(web))).toBe(true);
    expect(said(decided)).toEqual(["vm-move-dropped"]);
  });

  test("[HM1, S10] a VM whose holder is lost in the midst of its move is recovered where it was going", () => {
    const records = running()
      .put(keys.vmMove(web), move("web", "h1", "h3"))
      .put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(written(decide(records), keys.owner(web))).toMatchObject({ host: "h3", epoch: 5 });
  });

  test("[HM1, HM2] the move of a VM that was given up on its way ends: what brings it up again begins anew", () => {
    const released = { schema: 1, kind: "released", host: "h1", epoch: 4, failed: "killed", failedHosts: ["h1", "h1"] };
    const records = running()
      .put(keys.owner(web), released)
      .put(keys.vmMove(web), move("web", "h1", "h2"));
    const decided = decide(records);
    expect(removed(decided, keys.vmMove(web))).toBe(true);
    expect(decided.notices.map(({ event }) => event.type)).toContain("vm-gave-up");
  });

  test("[HM2] failures are counted, waited for on this manager's own clock, and end", () => {
    const answer = { kind: "failed", code: "vm-did-not-stop", params: {} } as const;
    const records = running().put(keys.maintenance(host("h1")), maintenance);
    records.put(keys.vmMove(web), move("web", "h1", "h2", { answer }));
    const failedMoves = { count: 1, to: host("h2"), code: "vm-did-not-stop" };
    expect(written(decide(records), keys.vmPlan(web))).toMatchObject({ failedMoves });
    const again = running().put(keys.maintenance(host("h1")), maintenance);
    const planOf = ({ view }: Records) => must(view.plans.get(web), "Cannot test without a plan");
    const tried = (count: number, agoMs: number): Decided => {
      again.put(keys.vmPlan(web), plan({ failedMoves: { ...failedMoves, count } }));
      const seen = new Map([[failureKey(web, planOf(again)), now - agoMs]]);
      return decide(again, { ...knowledge(again), failuresSeenAt: seen });
    };
    expect(tried(1, 9_999).decisions).toEqual([]);
    expect(tried(1, 9_999).wakeAt).toBe(now + 1);
    expect(written(tried(1, 10_000), keys.vmMove(web))).toMatchObject({ to: "h2" });
    expect(tried(3, 39_999).decisions).toEqual([]);
    expect(said(tried(5, 3_600_000))).toEqual(["vm-move-given-up"]);
    // One that was written down anew is waited for anew, be it as many as before.
    const before = planOf(again);
    again.put(keys.vmPlan(web), plan({ failedMoves: { ...failedMoves, count: 1 } }));
    const seenBefore = new Map([[failureKey(web, before), now - 600_000]]);
    expect(decide(again, { ...knowledge(again), failuresSeenAt: seenBefore }).decisions).toEqual([]);
    again.put(keys.vmPlan(web), plan({ failedMoves: { ...failedMoves, count: 5 } }));
    // Somebody changed the rules of the game: what failed before counts no more.
    again.put(keys.policy, { schema: 1, hostReserveMiB: 0 });
    const known = { ...knowledge(again), failuresSeenAt: new Map([[failureKey(web, planOf(again)), now - 600_000]]) };
    expect(written(decide(again, known), keys.vmMove(web))).toMatchObject({ to: "h2" });
  });
});

describe("moves that are called off", () => {
  const withAnswer = (code: string): Records =>
    running()
      .put(keys.maintenance(host("h1")), maintenance)
      .put(keys.vmMove(web), move("web", "h1", "h2", { answer: { kind: "failed", code, params: {} } }));

  test("[HM2, HM3] a move that failed is counted, and its VM's way back forgotten, in one record and never in two", () => {
    const answer = { kind: "failed", code: "vm-did-not-stop", params: {} } as const;
    const failedMoves = { count: 1, to: host("h2"), code: "vm-did-not-stop" };
    const failed = (returnTo: string): Records =>
      running()
        .put(keys.vmMove(web), move("web", "h1", "h2", { answer }))
        .put(keys.vmPlan(web), plan({ returnTo: host(returnTo) }));
    const planned = (records: Records): unknown => written(decide(records), keys.vmPlan(web));
    expect(removed(decide(failed("h1")), keys.vmMove(web))).toBe(true);
    // It is there already, or its home is no member any more, or it is not to go back by itself.
    const isOver = [
      ...[failed("h1"), failed("h9")],
      failed("h3")
        .put(keys.policy, { schema: 1, hostReserveMiB: 0, returnAfterMaintenance: "as-failback" })
        .put(keys.vm(web), { ...vm("web"), failback: false }),
    ];
    for (const records of isOver) expect(planned(records)).toMatchObject({ failedMoves, returnTo: null });
    expect(planned(running().put(keys.vmPlan(web), plan({ failedMoves })))).toBeUndefined();
    expect(planned(failed("h3"))).toMatchObject({ failedMoves, returnTo: "h3" });
    // Its home is being left: it goes back there afterwards.
    const leaving = failed("h1").put(keys.maintenance(host("h1")), maintenance);
    expect(planned(leaving)).toMatchObject({ failedMoves, returnTo: "h1" });
  });

  test("[HM3] where a VM comes home before it starts, its way back is forgotten with the move that is over", () => {
    const failedMoves = { count: 0, to: host("h1"), code: "move-not-wanted" };
    const home = (): Records =>
      running()
        .put(keys.vmMove(web), move("web", "h2", "h1", { epoch: null }))
        .put(keys.vmPlan(web), plan({ returnTo: host("h1"), failedMoves }));
    expect(removed(decide(home()), keys.vmMove(web))).toBe(true);
    expect(removed(decide(home()), keys.vmPlan(web))).toBe(true);
    const leaves = decide(home().put(keys.maintenance(host("h1")), maintenance));
    expect(removed(leaves, keys.vmPlan(web))).toBe(false);
  });

  test("[HM2] by a person, a stop, a lock or its target's leaving: said, kept for its task, and not counted", () => {
    for (const code of ["move-cancelled", "move-not-wanted", "move-vm-locked", "move-target-leaves"]) {
      const decided = decide(withAnswer(code));
      expect(said(decided)).toEqual(["vm-move-called-off"]);
      expect(written(decided, keys.vmPlan(web))).toMatchObject({ failedMoves: { count: 0, code } });
    }
  });

  test("[HM2] what a person called off is tried again by the cluster after a while, all else at once", () => {
    const planned = (code: string) =>
      running()
        .put(keys.maintenance(host("h1")), maintenance)
        .put(keys.vmPlan(web), plan({ failedMoves: { count: 0, to: host("h2"), code } }));
    const off = planned("move-cancelled");
    expect(decide(off)).toMatchObject({ decisions: [], wakeAt: now + 10_000 });
    expect(written(decide(planned("move-target-leaves")), keys.vmMove(web))).toMatchObject({ from: "h1" });
  });

  test("[HM3, HM2] one that waits for its turn is, where its target's maintenance begins, or somebody locks the VM", () => {
    const asked = () => running().put(keys.vmMove(web), move("web", "h1", "h2", { live: { kind: "asked" } }));
    const codeOf = (records: Records) => decide(records).decisions.map(({ events: [told] }) => told?.reason?.code);
    expect(codeOf(asked())).toEqual([]);
    expect(codeOf(asked().put(keys.maintenance(host("h2")), maintenance))).toEqual(["move-target-in-maintenance"]);
    expect(codeOf(asked().put(keys.vm(web), vm("web", { lock })))).toEqual(["move-vm-locked"]);
    const live: VmMove["live"] = { kind: "waiting", incarnation: incarnation(1), doors: [], tls: true };
    const begun = asked().put(keys.vmMove(web), move("web", "h1", "h2", { live }));
    expect(codeOf(begun.put(keys.maintenance(host("h2")), maintenance))).toEqual([]);
  });
});

describe("maintenance", () => {
  test("[HM3] a VM that runs leaves and it is remembered from where; one that is stopped stays", () => {
    const records = running().put(keys.maintenance(host("h1")), maintenance);
    const decided = decide(records);
    expect(written(decided, keys.vmMove(web))).toMatchObject({ from: "h1", to: "h2" });
    expect(written(decided, keys.vmPlan(web))).toMatchObject({ returnTo: "h1" });
    const stopped = cluster("replicated", released).put(keys.vm(web), vm("web", { requested: "stopped" }));
    expect(decide(stopped.put(keys.maintenance(host("h1")), maintenance)).decisions).toEqual([]);
  });

  test("[PL1] where it goes has its room promised while the transaction is under way", () => {
    const decided = decide(running().put(keys.maintenance(host("h1")), maintenance));
    expect(decided.decisions.map(({ places }) => places)).toEqual([
      [{ vm: web, on: expect.stringMatching(/^h[23]$/u) }],
    ]);
  });

  test("[HM3] it returns when maintenance ends, also without failback, unless the policy leaves that to failback", () => {
    const records = cluster("replicated", {
      ...released,
      kind: "held",
      host: host("h2"),
      incarnation: incarnation(1),
    } as Owner)
      .put(keys.vmStatus(web), status("h2", 1, 4, "running"))
      .put(keys.vm(web), vm("web", { failback: false }))
      .put(keys.vmPlan(web), plan({ returnTo: host("h1") }));
    expect(written(decide(records), keys.vmMove(web))).toMatchObject({ from: "h2", to: "h1" });
    const waiting = knowledge(records, { h1: 3_000 });
    expect(decide(records, waiting).decisions).toEqual([]);
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, returnAfterMaintenance: "as-failback" });
    const decided = decide(records);
    expect(written(decided, keys.vmMove(web))).toBeUndefined();
    expect(removed(decided, keys.vmPlan(web))).toBe(true);
  });

  test("[HM3, HM1] a guest that stands still is stopped for a maintenance, and that is said; not for its way back", () => {
    const stands = paused("h1", 1, 4, "storage-error");
    const records = running()
      .put(keys.vmStatus(web), stands)
      .put(keys.maintenance(host("h1")), maintenance);
    expect(decide(records).decisions.flatMap(({ events }) => events)).toMatchObject([
      { type: "vm-move-begun", params: { how: "stop and start" }, alternatives: [{ option: "live" }, {}, {}] },
    ]);
    const home = cluster("replicated")
      .put(keys.vmStatus(web), stands)
      .put(keys.vmPlan(web), plan({ returnTo: host("h2") }));
    const decided = decide(home);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event).toMatchObject({
      type: "vm-paused-not-moved",
      reason: { code: "guest-is-paused", params: { by: "storage-error" } },
    });
  });

  test("[HM3] a VM that nothing else can run stays, and what each host lacks is said", () => {
    const records = running().put(keys.maintenance(host("h1")), maintenance);
    records.put(keys.vm(web), vm("web", { memoryMiB: 2_000 }));
    const decided = decide(records);
    expect(decided.decisions).toEqual([]);
    expect(said(decided)).toEqual(["vm-cannot-leave"]);
    expect(decided.notices[0]?.event.alternatives.map(({ option }) => option)).toEqual(["h1", "h2", "h3"]);
  });

  test("[HM3] a VM that is started while its host is in maintenance goes elsewhere first, and returns later", () => {
    const records = cluster("replicated", released).put(keys.maintenance(host("h1")), maintenance);
    const decided = decide(records);
    expect(written(decided, keys.vmMove(web))).toMatchObject({ epoch: null, to: "h2" });
    expect(written(decided, keys.vmPlan(web))).toMatchObject({ returnTo: "h1" });
  });
});

describe("locks", () => {
  const lost = (kind: "backup" | "create"): Records =>
    running()
      .put(keys.vm(web), vm("web", { lock: { kind, at: 0 as VmOrder["at"] } }))
      .put(keys.fence(host("h1"), incarnation(1)), fence());

  test("[HM2] a lock that its lost host left is removed by the recovery itself", () => {
    const decided = decide(lost("backup"));
    expect(written(decided, keys.owner(web))).toMatchObject({ kind: "held", host: "h2" });
    expect(written(decided, keys.vm(web))).toMatchObject({ lock: null });
  });

  test("[HM2] a VM that is not whole yet is not started: it is in error where it would have gone", () => {
    const decided = decide(lost("create"));
    expect(written(decided, keys.owner(web))).toMatchObject({ kind: "released", host: "h2", epoch: 5 });
    expect(written(decided, keys.vmPlan(web))).toMatchObject({ error: { code: "vm-lost-while-locked" } });
  });

  test("[HM2] the error goes with disabling, not before", () => {
    const records = cluster("replicated", released).put(keys.vmPlan(web), plan({ error }));
    expect(said(decide(records))).toEqual(["vm-stop-failed"]);
    records.put(keys.vm(web), vm("web", { requested: "stopped" }));
    expect(decide(records).decisions).toEqual([]);
    records.put(keys.vm(web), vm("web", { requested: "disabled" }));
    expect(removed(decide(records), keys.vmPlan(web))).toBe(true);
  });
});

const maintenance = { schema: 1, by: systemActor, reason: "test", at: 0 };
const disarm = { schema: 1, mode: "freeze", by: systemActor, at: 0 };
const error = { code: "vm-stop-failed", params: {}, at: 0 as VmOrder["at"] };
const lock = { kind: "backup", at: 0 as VmOrder["at"] } as const;
