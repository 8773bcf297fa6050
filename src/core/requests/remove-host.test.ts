import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import {
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  member,
  pool,
  Records,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { Epoch, GroupId, PoolId, RuleId, VolumeId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { hear } from "../contact.ts";
import { votesOf } from "../removal.ts";
import { foreseeRemoval, planRemoveHost, planTakeBack, type RemovalContext } from "./remove-host.ts";

const h4 = host("h4");
const up: RemovalContext = {
  sight: (name) => (name === h4 ? "fenced" : "up"),
  self: host("h1"),
  silent: () => undefined,
};

/** Four hosts, of which h4 has left in order in its third life. */
function cluster(proofs = ["last-word"]): Records {
  const records = new Records().put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  return records.host("h4", 3).put(keys.fence(h4, incarnation(3)), { ...fence({ cause: "self" }), proofs });
}

function removing(records: Records, name = "h4", context = up) {
  return planRemoveHost(records.view, { host: name }, asked, context);
}
const code = (records: Records, name = "h4", context = up): string => codeOf(removing(records, name, context).planned);

describe("removing a host", () => {
  test("[HM7] takes everything of it away in one transaction that rests on its proven end", () => {
    const { planned, breaks, fence: first } = removing(cluster());
    expect(first).toBeUndefined();
    expect(breaks).toEqual([]);
    for (const key of [keys.member(h4), keys.host(h4), keys.hostFacts(h4), keys.maintenance(h4)])
      expect(written(planned, key)).toBe("delete");
    expect(written(planned, keys.removedHost(h4))).toMatchObject({
      member: { id: "h4", role: "host" },
      incarnation: 3,
      store: "voting",
      takenBackAt: null,
    });
    expect(compared(planned)).toEqual(
      expect.arrayContaining([keys.member(h4), keys.host(h4), keys.fence(h4, incarnation(3)), keys.removedHost(h4)]),
    );
    expect(compared(planned)).toContain(keys.lastGroupEdit);
    // The fence of its last life stays, as that of any past one (S1).
    expect(written(planned, keys.fence(h4, incarnation(3)))).toBeUndefined();
  });

  test("[HM7] is refused for one that is not proven off, or is unknown, or asks itself", () => {
    expect(code(cluster(), "h9")).toBe("host-unknown");
    expect(code(cluster(), "h2")).toBe("host-remove-not-off");
    expect(code(cluster([]))).toBe("host-remove-not-proven");
    expect(code(cluster(), "h4", { ...up, self: h4 })).toBe("host-remove-itself");
    const cutting = cluster().put(keys.fence(h4, incarnation(3)), fence({ device: "begun" }));
    expect(code(cutting)).toBe("host-remove-power-being-cut");
    const unread = cluster();
    unread.put(keys.rule("r" as RuleId), { schema: 9 } as never);
    expect(code(unread)).toBe("record-unreadable");
  });

  test("[HM7] is foreseen for one that is up, in maintenance and empty, which is refused all the same until it is off", () => {
    const allUp: RemovalContext = { ...up, sight: () => "up" };
    const foreseen = (records: Records) => foreseeRemoval(records.view, { host: "h2" }, asked, allUp);
    const records = new Records().put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
    for (const name of ["h1", "h2", "h3"]) records.host(name);
    expect(foreseen(records)).toBeUndefined();
    records.put(keys.maintenance(host("h2")), { schema: 1, by: asked.actor, reason: "", at: 0 });
    expect(foreseen(records)?.planned).toMatchObject({ kind: "plan" });
    expect(code(records, "h2")).toBe("host-remove-not-off");
    expect(foreseeRemoval(records.view, { host: "h2" }, asked, { ...up, sight: () => "silent" })).toBeUndefined();
    records.put(keys.vm(vmId("web")), vm("web")).put(keys.owner(vmId("web")), held("h2", 1, 5));
    expect(foreseen(records)?.planned).toMatchObject({ code: "host-remove-holds-vms" });
  });

  test("[HM7] is refused while VMs, disks, moves or groups need it", () => {
    const holds = cluster()
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.owner(vmId("web")), held("h4", 2, 5));
    expect(removing(holds).planned).toMatchObject({ code: "host-remove-holds-vms", params: { vms: "web" } });
    const local = cluster()
      .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
      .put(keys.vm(vmId("db")), vm("db", { pool: "local", requested: "stopped" }))
      .put(keys.owner(vmId("db")), released("h4"));
    expect(removing(local).planned).toMatchObject({ code: "host-remove-has-disks", params: { vms: "db" } });
    const group = cluster().put(keys.group("office" as GroupId), groupOf("h1", "h4"));
    expect(removing(group).planned).toMatchObject({ code: "host-remove-in-group", params: { groups: "office" } });
    const moving = cluster()
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.vmMove(vmId("web")), move("h1", "h4"));
    expect(removing(moving).planned).toMatchObject({ code: "host-remove-in-a-move", params: { vms: "web" } });
  });

  test("[HM7, FC2] says what the store bears without it, and which rules and copies it takes along", () => {
    expect(removing(cluster()).breaks).toEqual([]);
    const records = cluster();
    records.remove(keys.member(host("h3")));
    expect(removing(records).breaks).toMatchObject([
      { code: "edit-store-bears-less", params: { host: "h4", votes: 2, before: 1, after: 0 } },
    ]);
    const ruled = cluster()
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.rule("alone" as RuleId), ruleOf("alone", ["h4"]))
      .put(keys.rule("rather" as RuleId), ruleOf("rather", ["h1", "h4"]))
      .put(keys.replica(vmId("web"), "v" as VolumeId, h4), copyOn("h4"));
    const { planned, breaks } = removing(ruled);
    expect(breaks.map((why) => [why.code, why.params["rules"] ?? why.params["copies"]])).toEqual([
      ["edit-copies-forgotten", 1],
      ["edit-rules-end", "alone"],
      ["edit-rules-lose-host", "rather"],
    ]);
    expect(written(planned, keys.rule("alone" as RuleId))).toBe("delete");
    expect(written(planned, keys.rule("rather" as RuleId))).toMatchObject({ hosts: [{ host: "h1" }] });
    expect(written(planned, keys.replica(vmId("web"), "v" as VolumeId, h4))).toBe("delete");
  });

  test("[HM7] is refused without a majority of the store, for the last host, and while another one leaves or joins", () => {
    const alone = { ...up, sight: () => "silent" as const };
    expect(removing(cluster(), "h4", alone).planned).toMatchObject({
      code: "host-remove-no-majority",
      params: { there: 0, votes: 4 },
    });
    const last = new Records().host("h4", 3).put(keys.fence(h4, incarnation(3)), fence());
    last.put(keys.member(host("w1")), member("w1", { role: "witness" }));
    expect(code(last)).toBe("host-remove-last");
    expect(code(afterRemoval(cluster()), "h3")).toBe("host-remove-another-leaves");
    const joining = cluster().put(keys.member(host("h3")), member("h3", { joinsStore: true }));
    expect(code(joining)).toBe("host-remove-another-joins");
  });

  test("[HM7, S9] one that is silent and holds nothing is fenced first, by its silence alone", () => {
    const records = cluster().remove(keys.fence(h4, incarnation(3)));
    records.put(keys.heartbeat(h4, incarnation(3)), heartbeat());
    const beat = records.view.heartbeats.get(h4)?.get(incarnation(3));
    if (beat === undefined) throw new Error("no heartbeat");
    const heard = { incarnation: incarnation(3), revision: beat.revision, heartbeat: beat.value };
    const contact = hear(undefined, heard, 5_600, 1_000 as never, true);
    const planned = removing(records, "h4", { ...up, silent: () => contact });
    expect(planned.fence && written(planned.fence, keys.fence(h4, incarnation(3)))).toMatchObject({
      cause: "silence",
      by: "h1",
      proofs: ["silence"],
    });
    expect(planned.fence && compared(planned.fence)).toContain(keys.heartbeat(h4, incarnation(3)));
    expect(code(records)).toBe("host-remove-not-off");
    // Where no deadline holds it, silence proves nothing (S23).
    records.put(keys.heartbeat(h4, incarnation(3)), heartbeat({ deadlineMs: 400 * 24 * 3_600_000 }));
    expect(code(records, "h4", { ...up, silent: () => contact })).toBe("host-remove-not-off");
  });

  test("[HM7] a witness, which runs nothing, needs no proof; nor does a host that never joined", () => {
    const w1 = host("w1");
    const records = cluster().put(keys.member(w1), member("w1", { role: "witness" }));
    const { planned } = removing(records.put(keys.member(host("h9")), member("h9")), "w1");
    expect(written(planned, keys.removedHost(w1))).toMatchObject({ incarnation: 0, store: "voting" });
    expect(compared(planned)).toContain(keys.host(w1));
    expect(code(records, "h9")).toBe("planned");
    records.remove(keys.member(w1)).put(keys.removedHost(w1), {
      ...(written(planned, keys.removedHost(w1)) as object),
      store: "left",
    });
    const back = planTakeBack(records.view, "w1", asked);
    expect([written(back, keys.removedHost(w1)), written(back, keys.member(w1))]).toMatchObject([
      "delete",
      { role: "witness", joinsStore: true },
    ]);
  });

  test("[HM7] asked again it is finished, and then said to be done", () => {
    const records = afterRemoval(cluster());
    expect(votesOf(records.view)).toBe(4);
    const { planned } = removing(records);
    expect(planned).toMatchObject({ kind: "plan", transaction: { writes: [] } });
    const removal = records.view.removals.get(h4);
    records.put(keys.removedHost(h4), { ...removal?.value, store: "left" } as never);
    expect(votesOf(records.view)).toBe(3);
    expect(code(records)).toBe("host-removed-already");
  });
});

describe("taking a host back", () => {
  test("[HM7] makes it a member that may register once, as soon as its own member has left the store", () => {
    const records = afterRemoval(cluster());
    expect(codeOf(planTakeBack(records.view, "h4", asked))).toBe("host-join-still-leaves");
    const removal = records.view.removals.get(h4);
    records.put(keys.removedHost(h4), { ...removal?.value, store: "left" } as never);
    const planned = planTakeBack(records.view, "h4", asked);
    expect(written(planned, keys.member(h4))).toMatchObject({ id: "h4", joinsStore: true });
    expect(written(planned, keys.removedHost(h4))).toMatchObject({ incarnation: 3, takenBackAt: asked.at });
    expect(codeOf(planTakeBack(records.view, "h9", asked))).toBe("host-unknown");
    expect(codeOf(planTakeBack(records.view, "h2", asked))).toBe("host-join-is-member");
  });
});

/** The same records after the removal. */
function afterRemoval(records: Records): Records {
  const { planned } = removing(records);
  if (planned.kind !== "plan") throw new Error(planned.code);
  for (const write of planned.transaction.writes) {
    if (write.kind === "put") records.put(write.key, JSON.parse(write.text));
    else records.remove(write.key);
  }
  return records;
}

function released(on: string) {
  return {
    schema: 1 as const,
    kind: "released" as const,
    host: host(on),
    epoch: 1 as Epoch,
    failed: null,
    failedHosts: [],
  };
}

function groupOf(source: string, target: string) {
  const mode = { kind: "synchronous" as const, boundMs: 2_000 };
  return { schema: 1 as const, name: "office", vms: [], source, target, mode, points: null, paused: [], createdAt: 0 };
}

function ruleOf(id: string, on: readonly string[]) {
  const hosts = on.map((name) => ({ host: name, priority: 0 }));
  const common = { schema: 1 as const, id, vms: [vmId("web")], enabled: true, comment: "", createdAt: 0 };
  return { ...common, kind: "host-affinity", hosts, strict: false };
}

function copyOn(on: string) {
  return {
    schema: 1 as const,
    vm: vmId("web"),
    volume: "v",
    host: on,
    epoch: 1,
    state: { kind: "copying" },
    receiver: null,
  };
}

function move(from: string, to: string) {
  const reason = { rule: "HM1", code: "ordered", params: {} };
  const answer = { kind: "open" };
  return {
    schema: 1 as const,
    vm: vmId("web"),
    kind: "relocate",
    from,
    incarnation: 1,
    epoch: null,
    to,
    reason,
    answer,
    at: 0,
  };
}
