import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import { held, host, incarnation, member, move, Records, vm, vmId } from "../../../test/support/records.ts";
import type { IntentId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { defaultPolicy } from "../../model/policy.ts";
import { isQuarantined, planMaintenance, planRelease } from "./change-host.ts";
import { planSetPolicy } from "./change-policy.ts";
import { planArm, planDisarm } from "./disarm.ts";

const h1 = host("h1");
const disarm = { schema: 1, mode: "freeze", by: asked.actor, at: 1 };

function cluster(): Records {
  return new Records()
    .host("h1")
    .host("h2")
    .host("h3")
    .put(keys.member(host("w1")), member("w1", { role: "witness" }));
}

const intent = "intent-1" as IntentId;

describe("maintenance", () => {
  test("is a record of its own, and ends by its removal", () => {
    const records = cluster();
    const planned = planMaintenance(records.view, { host: "h1", reason: "new memory" }, asked);
    const record = written(planned, keys.maintenance(h1));
    expect(record).toEqual({ schema: 1, by: asked.actor, reason: "new memory", at: asked.at });
    expect(compared(planned)).toEqual([keys.maintenance(h1), keys.member(h1), keys.disarm]);
    records.put(keys.maintenance(h1), record as object);
    expect(codeOf(planMaintenance(records.view, { host: "h1", reason: "" }, asked))).toBe("maintenance-already");
    const released = planRelease(records.view, "h1", intent, asked);
    expect(written(released, keys.maintenance(h1))).toBe("delete");
    expect(released).toMatchObject({ events: [{ type: "maintenance-ended" }] });
  });

  test("[HM3] ends with the moves for it called off that have not changed hands, and with no other", () => {
    const records = cluster();
    records.put(keys.maintenance(h1), { schema: 1, by: asked.actor, reason: "", at: asked.at });
    const reason = { rule: "HM3", code: "host-in-maintenance", params: { host: "h1" } };
    const asks = { kind: "asked" } as const;
    const switched = { kind: "switched", incarnation: incarnation(1) } as const;
    const runs = [
      ["waits", { reason, live: asks }],
      ["ordered", { live: asks }],
      ["stops", { reason }],
      ["gone", { reason, live: switched }],
      ["away", { reason, live: asks, answer: { kind: "failed", code: "move-broke-off", params: {} } }],
    ] as const;
    for (const [name, more] of runs) {
      const owner = name === "gone" ? held("h2", 1, 5) : held("h1", 1, 4);
      records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), owner);
      records.put(keys.vmMove(vmId(name)), move(name, "h1", "h2", more as Partial<VmMove>));
    }
    const released = planRelease(records.view, "h1", intent, asked);
    expect(released).toMatchObject({ outcome: { kind: "host-changed", calledOff: ["waits"] } });
    const writes = released.kind === "plan" ? released.transaction.writes.map(({ key }) => key) : [];
    expect(writes).toEqual([keys.vmMove(vmId("waits")), keys.maintenance(h1)]);
    expect(compared(released)).toContain(keys.vmMove(vmId("waits")));
    expect(written(released, keys.vmMove(vmId("waits")))).toMatchObject({
      answer: { kind: "failed", code: "move-maintenance-over", params: { vm: "waits", host: "h1" } },
    });
  });

  test("is refused for what is no host, and while nothing would leave", () => {
    const records = cluster();
    const request = (name: string) => ({ host: name, reason: "" });
    expect(codeOf(planMaintenance(records.view, request("h9"), asked))).toBe("host-unknown");
    expect(codeOf(planMaintenance(records.view, request("w1"), asked))).toBe("maintenance-of-witness");
    expect(codeOf(planRelease(records.view, "h1", intent, asked))).toBe("host-not-held-back");
    expect(codeOf(planRelease(records.view, "h9", intent, asked))).toBe("host-unknown");
    records.put(keys.disarm, disarm);
    expect(codeOf(planMaintenance(records.view, request("h1"), asked))).toBe("cluster-disarmed");
  });

  test("a release lifts a quarantine and forgets the losses that led to it, and leaves the count of incarnations", () => {
    const losses = { schema: 1, counted: 4, at: [10, 20, 30], quarantinedUntil: 5_000 };
    const records = cluster().put(keys.hostLosses(h1), losses);
    const planned = planRelease(records.view, "h1", intent, asked);
    expect(written(planned, keys.hostLosses(h1))).toEqual({ ...losses, at: [], quarantinedUntil: null });
    expect(written(planned, keys.maintenance(h1))).toBeUndefined();
    expect(compared(planned)).toEqual([keys.maintenance(h1), keys.hostLosses(h1)]);
    records.put(keys.hostLosses(h1), { ...losses, quarantinedUntil: 1 });
    expect(isQuarantined(records.view.losses.get(h1)?.value, asked.at)).toBe(false);
    expect(codeOf(planRelease(records.view, "h1", intent, asked))).toBe("host-not-held-back");
  });
});

describe("disarm and arm", () => {
  test("one record that comes and goes; twice is refused", () => {
    const records = cluster();
    expect(codeOf(planArm(records.view, asked))).toBe("cluster-armed-already");
    const planned = planDisarm(records.view, "ignore", asked);
    expect(written(planned, keys.disarm)).toEqual({ schema: 1, mode: "ignore", by: asked.actor, at: asked.at });
    records.put(keys.disarm, disarm);
    expect(codeOf(planDisarm(records.view, "ignore", asked))).toBe("cluster-disarmed-already");
    expect(written(planArm(records.view, asked), keys.disarm)).toBe("delete");
  });

  test("a record that cannot be read is not taken for none", () => {
    const { view } = cluster().put(keys.disarm, { schema: 2 }).put(keys.policy, { schema: 2 });
    expect(codeOf(planArm(view, asked))).toBe("record-unreadable");
    expect(codeOf(planDisarm(view, "freeze", asked))).toBe("record-unreadable");
    expect(codeOf(planSetPolicy(view, { wantedHostLosses: 2 }, asked))).toBe("record-unreadable");
  });
});

describe("policy", () => {
  test("what is named changes, the rest stays, and the event says what", () => {
    const patch = {
      shutdownPolicy: "migrate",
      wantedHostLosses: undefined,
      scheduler: { mode: "static", autoRebalance: { enabled: true, threshold: 0.2 } },
      quarantine: { losses: 5 },
    } as const;
    const planned = planSetPolicy(cluster().view, patch, asked);
    const { scheduler, quarantine } = defaultPolicy;
    expect(written(planned, keys.policy)).toEqual({
      ...defaultPolicy,
      shutdownPolicy: "migrate",
      scheduler: {
        ...scheduler,
        mode: "static",
        autoRebalance: { ...scheduler.autoRebalance, enabled: true, threshold: 0.2 },
      },
      quarantine: { ...quarantine, losses: 5 },
    });
    const to =
      "shutdownPolicy migrate, scheduler.mode static, scheduler.autoRebalance.enabled true, scheduler.autoRebalance.threshold 0.2, quarantine.losses 5";
    expect(planned).toMatchObject({ events: [{ type: "policy-changed", params: { to } }] });
  });

  test("a result that contradicts itself is refused as a whole, whichever half was named last", () => {
    const records = cluster();
    const on = { scheduler: { autoRebalance: { enabled: true } } };
    expect(codeOf(planSetPolicy(records.view, on, asked))).toBe("policy-rebalance-needs-figures");
    const { scheduler } = defaultPolicy;
    const balancing = { ...scheduler, mode: "dynamic", autoRebalance: { ...scheduler.autoRebalance, enabled: true } };
    records.put(keys.policy, { ...defaultPolicy, scheduler: balancing });
    expect(codeOf(planSetPolicy(records.view, { scheduler: { mode: "basic" } }, asked))).toBe(
      "policy-rebalance-needs-figures",
    );
    const off = { scheduler: { mode: "basic", autoRebalance: { enabled: false } } } as const;
    expect(codeOf(planSetPolicy(records.view, off, asked))).toBe("planned");
    expect(codeOf(planSetPolicy(records.view, on, asked))).toBe("policy-nothing-to-change");
    expect(codeOf(planSetPolicy(records.view, {}, asked))).toBe("policy-nothing-to-change");
  });

  test("what no cluster of this size and memory can do is refused", () => {
    const { view } = cluster();
    expect(codeOf(planSetPolicy(view, { wantedHostLosses: 2 }, asked))).toBe("planned");
    expect(planSetPolicy(view, { wantedHostLosses: 3 }, asked)).toMatchObject({
      code: "policy-losses-impossible",
      params: { wanted: 3, hosts: 3, most: 2 },
    });
    expect(planSetPolicy(view, { hostReserveMiB: 4096 }, asked)).toMatchObject({
      code: "policy-reserve-too-large",
      params: { host: "h1" },
    });
  });

  test("links for moves are those that the members have; a list is one setting", () => {
    const { view } = cluster();
    const links = ["10.0.1.0/24", "migration"];
    const planned = planSetPolicy(view, { migration: { links } }, asked);
    expect(written(planned, keys.policy)).toMatchObject({ migration: { ...defaultPolicy.migration, links } });
    const to = "migration.links 10.0.1.0/24 then migration";
    expect(planned).toMatchObject({ events: [{ params: { to } }] });
    expect(planSetPolicy(view, { migration: { links: ["migration", "availability"] } }, asked)).toMatchObject({
      code: "policy-link-unknown",
      params: { link: "availability", known: "10.0.1.0/24, migration" },
    });
    const shorter = cluster().put(keys.policy, { ...defaultPolicy, migration: { ...defaultPolicy.migration, links } });
    expect(codeOf(planSetPolicy(shorter.view, { migration: { links: links.slice(1) } }, asked))).toBe("planned");
    expect(codeOf(planSetPolicy(shorter.view, { migration: { links: [] } }, asked))).toBe("planned");
    expect(codeOf(planSetPolicy(shorter.view, { migration: { links } }, asked))).toBe("policy-nothing-to-change");
  });

  test("what a change of the cluster made untrue does not refuse an edit of something else", () => {
    const { view } = cluster().put(keys.policy, { ...defaultPolicy, wantedHostLosses: 3, hostReserveMiB: 9_999_999 });
    expect(codeOf(planSetPolicy(view, { moveAttemptsMax: 3 }, asked))).toBe("planned");
    expect(codeOf(planSetPolicy(view, { wantedHostLosses: 4 }, asked))).toBe("policy-losses-impossible");
  });
});
