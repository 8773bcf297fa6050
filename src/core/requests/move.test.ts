import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, newTaskId, written } from "../../../test/support/planned.ts";
import {
  epoch,
  facts,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  member,
  move,
  paused,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { GroupId, PoolId, RuleId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmOrder } from "../../model/move-records.ts";
import { planMoveVm } from "./move.ts";
import type { HostContact, Sight } from "./sight.ts";

const db = vmId("db");
const h2 = host("h2");
const n1 = incarnation(1);
const everybodyUp: Sight = () => "up";

/** `db` runs on h1. */
function cluster(): Records {
  return new Records()
    .host("h1")
    .host("h2")
    .host("h3")
    .put(keys.member(host("w1")), member("w1", { role: "witness" }))
    .put(keys.vm(db), vm("db"))
    .put(keys.owner(db), held("h1", 1, 7));
}

/** Its guest executes on h1, on disks that all hosts see. */
function runsOn(records: Records): Records {
  return records
    .put(keys.vmStatus(db), status("h1", 1, 7, "running"))
    .put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
}

function moveTo(records: Records, to: string, sight: Sight = everybodyUp, kind: VmMove["kind"] = "migrate") {
  return planMoveVm(records.view, { vm: "db", to, kind }, newTaskId, asked, sight);
}

const order = (to: string): VmOrder => ({
  schema: 1,
  vm: db,
  order: { kind: "migrate", to: host(to) },
  actor: asked.actor,
  at: asked.at,
});

describe("a move", () => {
  test("is an order with a task; the newest one counts", () => {
    const records = cluster();
    const planned = moveTo(records, "h2", everybodyUp, "relocate");
    expect(written(planned, keys.vmOrder(db))).toMatchObject({ order: { kind: "relocate", to: "h2" } });
    expect(written(planned, keys.task(newTaskId))).toMatchObject({ kind: "move-vm", vm: db, to: "h2", end: null });
    expect(compared(planned)).toEqual(expect.arrayContaining([keys.vmOrder(db), keys.disarm, keys.maintenance(h2)]));
    records.put(keys.vmOrder(db), order("h2"));
    expect(written(moveTo(records, "h3"), keys.vmOrder(db))).toMatchObject({ order: { to: "h3" } });
    expect(written(moveTo(records, "h1"), keys.vmOrder(db))).toMatchObject({ order: { to: "h1" } });
  });

  test("ordered twice alike is one task", () => {
    const open = { schema: 1, id: "task-old", actor: asked.actor, kind: "move-vm", vm: db, to: "h2" };
    const records = cluster()
      .put(keys.vmOrder(db), order("h2"))
      .put(keys.task("task-old" as never), { ...open, percent: 0, end: null, at: 1 });
    expect(moveTo(records, "h2")).toMatchObject({ outcome: { task: "task-old" }, transaction: { writes: [] } });
    expect(moveTo(records, "h3")).toMatchObject({ outcome: { task: newTaskId } });
  });

  test("of a stopped VM, and of one that never ran, changes where it is to start", () => {
    const stopped = cluster().put(keys.vm(db), vm("db", { requested: "stopped" }));
    stopped.put(keys.owner(db), { schema: 1, kind: "released", host: "h1", epoch: 7, failed: null, failedHosts: [] });
    expect(codeOf(moveTo(stopped, "h2"))).toBe("planned");
    const fresh = new Records()
      .host("h1")
      .host("h2")
      .put(keys.vm(db), vm("db", { requested: "stopped" }));
    expect(codeOf(moveTo(fresh, "h2"))).toBe("planned");
  });
});

describe("a move is refused at once", () => {
  const seen =
    (contact: HostContact): Sight =>
    () =>
      contact;
  const mode = { schema: 1, incarnation: 1, mode: "leaving", next: "reboot", at: 1 };
  const maintenance = { schema: 1, by: asked.actor, reason: "", at: 1 };
  const losses = { schema: 1, counted: 1, at: [1, 2, 3], quarantinedUntil: 9_999 };
  const disarm = { schema: 1, mode: "freeze", by: asked.actor, at: 1 };
  const plan = { schema: 1, error: { code: "vm-gave-up", params: {}, at: 1 }, returnTo: null, failedMoves: null };
  const lock = { kind: "backup", at: 1 };
  const under = (more: Partial<VmMove>) => move("db", "h1", "h3", { epoch: epoch(7), ...more });
  const failed = { kind: "failed", code: "move-cancelled", params: {} } as const;
  const noPool = facts({ pools: [] });
  const brokenPool = facts({ pools: [{ pool: "shared" as never, capacityMiB: 1, freeMiB: 1, unfit: "gone" }] });
  const brokenNet = facts({ networks: [{ network: "lan" as never, bridge: "", unfit: "down" }] });

  test.each<[string, (records: Records) => unknown]>([
    ["vm-in-error", (records) => records.put(keys.vmPlan(db), plan)],
    ["move-of-ignored-vm", (records) => records.put(keys.vm(db), vm("db", { requested: "ignored" }))],
    ["move-of-locked-vm", (records) => records.put(keys.vm(db), vm("db", { lock: lock as never }))],
    ["cluster-disarmed", (records) => records.put(keys.disarm, disarm)],
    ["move-host-fenced", (records) => records.put(keys.fence(h2, n1), fence())],
    ["move-host-agent-silent", (records) => records.put(keys.heartbeat(h2, n1), heartbeat({ agentAgeMs: 90_000 }))],
    ["move-host-in-maintenance", (records) => records.put(keys.maintenance(h2), maintenance)],
    ["move-host-leaving", (records) => records.put(keys.hostMode(h2), mode)],
    ["planned", (records) => records.put(keys.hostMode(h2), { ...mode, incarnation: 9 })],
    ["move-host-in-quarantine", (records) => records.put(keys.hostLosses(h2), losses)],
    ["planned", (records) => records.put(keys.hostLosses(h2), { ...losses, quarantinedUntil: 1 })],
    ["move-pool-missing", (records) => records.put(keys.hostFacts(h2), noPool)],
    ["move-pool-unfit", (records) => records.put(keys.hostFacts(h2), brokenPool)],
    ["move-network-missing", (records) => records.put(keys.hostFacts(h2), facts({ networks: [] }))],
    ["move-network-unfit", (records) => records.put(keys.hostFacts(h2), brokenNet)],
    ["move-no-common-link", (records) => runsOn(records).put(keys.member(h2), member("h2", { links: [] }))],
    ["planned", (records) => records.put(keys.member(h2), member("h2", { links: [] }))],
    ["move-under-way", (records) => runsOn(records).put(keys.vmMove(db), under({ live: { kind: "asked" } }))],
    ["planned", (records) => records.put(keys.vmMove(db), under({}))],
    ["planned", (records) => records.put(keys.vmMove(db), under({ live: { kind: "asked" }, answer: failed }))],
    ["move-already-there", (records) => records.put(keys.owner(db), held("h2", 1, 8))],
  ])("%s", (code, prepare) => {
    const records = cluster();
    prepare(records);
    expect(codeOf(moveTo(records, "h2"))).toBe(code);
  });

  test("[HM1] of a guest that stands still: it is not stopped for a move of what runs, unless that is what is ordered", () => {
    const pausedBy = (...by: string[]) => runsOn(cluster()).put(keys.vmStatus(db), paused("h1", 1, 7, ...by));
    expect(moveTo(pausedBy("storage-error"), "h2")).toMatchObject({
      code: "move-guest-paused",
      params: { vm: "db", from: "h1", by: "storage-error", host: "h2" },
    });
    expect(codeOf(moveTo(pausedBy("storage-error"), "h2", everybodyUp, "relocate"))).toBe("planned");
    // An agent that has just come up still looks: the order waits for its word.
    expect(codeOf(moveTo(pausedBy(), "h2"))).toBe("planned");
    const old = runsOn(cluster()).put(keys.vmStatus(db), paused("h1", 1, 6, "storage-error"));
    expect(codeOf(moveTo(old, "h2"))).toBe("planned");
    // Nor does it take one along that stands.
    const pair = vmId("pair");
    const together = { schema: 1, id: "pair", kind: "vm-affinity", affinity: "together", vms: [db, pair] };
    const team = runsOn(cluster())
      .put(keys.vm(pair), vm("pair"))
      .put(keys.owner(pair), held("h1", 1, 2))
      .put(keys.vmStatus(pair), paused("h1", 1, 2, "storage-error"))
      .put(keys.rule("pair" as RuleId), { ...together, enabled: true, comment: "", createdAt: 0 });
    expect(moveTo(team, "h2")).toMatchObject({ code: "move-guest-paused", params: { vm: "pair" } });
  });

  test("for an unknown VM or host, a witness, a host that never joined or is silent", () => {
    const records = cluster().put(keys.member(host("h9")), member("h9"));
    expect(
      codeOf(planMoveVm(records.view, { vm: "x", to: "h2", kind: "migrate" }, newTaskId, asked, everybodyUp)),
    ).toBe("vm-unknown");
    expect(codeOf(moveTo(records, "h7"))).toBe("host-unknown");
    expect(codeOf(moveTo(records, "w1"))).toBe("move-to-witness");
    expect(codeOf(moveTo(records, "h9"))).toBe("move-host-absent");
    expect(codeOf(moveTo(records, "h2", seen("silent")))).toBe("move-host-silent");
    expect(codeOf(moveTo(records, "h2", seen("unknown")))).toBe("planned");
  });

  test("to a full host: what is on its way there counts, and so does what comes along", () => {
    const big = vmId("big");
    const pair = vmId("pair");
    const records = cluster().put(keys.vm(big), vm("big", { memoryMiB: 900 }));
    expect(codeOf(moveTo(records, "h2"))).toBe("planned");
    const away = { schema: 1, vm: big, kind: "migrate", from: "h1", incarnation: 1, epoch: 3, to: "h2", at: 1 };
    const reason = { rule: "HM1", code: "vm-gave-up", params: {} };
    records.put(keys.owner(big), held("h1", 1, 3)).put(keys.vmMove(big), { ...away, reason, answer: { kind: "open" } });
    expect(codeOf(moveTo(records, "h2"))).toBe("planned");
    const together = { schema: 1, id: "pair", kind: "vm-affinity", affinity: "together", vms: [db, pair] };
    records
      .put(keys.vm(pair), vm("pair"))
      .put(keys.owner(pair), held("h1", 1, 2))
      .put(keys.rule("pair" as RuleId), { ...together, enabled: true, comment: "", createdAt: 0 });
    expect(moveTo(records, "h2")).toMatchObject({
      code: "move-host-full",
      params: { vm: "db", host: "h2", neededMiB: 160, freeMiB: 124 },
    });
  });

  test("against the rules: to a host that a strict one forbids, and to a VM that it is kept apart from", () => {
    const web = vmId("web");
    const common = { schema: 1, enabled: true, comment: "", createdAt: 0 };
    const here = { ...common, id: "here", kind: "host-affinity", vms: [db], hosts: [{ host: "h1", priority: 0 }] };
    const records = cluster().put(keys.rule("here" as RuleId), { ...here, strict: true });
    expect(moveTo(records, "h2")).toMatchObject({ code: "move-host-forbidden", params: { rules: "here" } });
    records
      .put(keys.rule("here" as RuleId), { ...here, strict: false })
      .put(keys.vm(db), vm("db", { failback: false }));
    expect(codeOf(moveTo(records, "h2"))).toBe("planned");
    records
      .put(keys.vm(web), vm("web"))
      .put(keys.owner(web), held("h2", 1, 1))
      .put(keys.rule("two" as RuleId), {
        ...common,
        id: "two",
        kind: "vm-affinity",
        affinity: "apart",
        vms: [db, web],
      });
    expect(moveTo(records, "h2")).toMatchObject({ code: "move-apart-vm-there", params: { other: "web" } });
    expect(codeOf(moveTo(records, "h3"))).toBe("planned");
  });
});

describe("a move to a host that it would leave at once", () => {
  const rule = (hosts: readonly object[]) => ({
    ...{ schema: 1, enabled: true, comment: "", createdAt: 0, id: "on-h1", kind: "host-affinity", vms: [db] },
    hosts,
    strict: false,
  });
  const preferring = (...hosts: readonly object[]) => cluster().put(keys.rule("on-h1" as RuleId), rule(hosts));
  const onH1 = { host: "h1", priority: 1 };

  test("[PL2] is refused with the rule and the host that is preferred, unless it is meant so", () => {
    const records = preferring(onH1);
    const params = { vm: "db", host: "h2", best: "h1", rules: "on-h1" };
    expect(moveTo(records, "h2")).toMatchObject({ code: "move-host-not-preferred", params });
    const meant = { vm: "db", to: "h2", kind: "relocate", force: true } as const;
    expect(codeOf(planMoveVm(records.view, meant, newTaskId, asked, everybodyUp))).toBe("planned");
  });

  test("[PL2] is carried out where nothing brings it back", () => {
    expect(codeOf(moveTo(preferring(onH1, { host: "h2", priority: 1 }), "h2"))).toBe("planned");
    const stays = preferring(onH1).put(keys.vm(db), vm("db", { failback: false }));
    expect(codeOf(moveTo(stays, "h2"))).toBe("planned");
    const silent: Sight = (id) => (id === host("h1") ? "silent" : "up");
    expect(codeOf(moveTo(preferring(onH1), "h2", silent))).toBe("planned");
    const emptied = preferring(onH1).put(keys.maintenance(host("h1")), {
      ...{ schema: 1, by: asked.actor, reason: "", at: 1 },
    });
    expect(codeOf(moveTo(emptied, "h2"))).toBe("planned");
    const stopped = preferring(onH1).put(keys.vm(db), vm("db", { requested: "stopped" }));
    expect(codeOf(moveTo(stopped, "h2"))).toBe("planned");
  });
});

describe("a move of what a group copies", () => {
  const group = {
    ...{ schema: 1, name: "office", vms: [db], source: "h1", target: "h2", paused: [], points: null, createdAt: 0 },
    mode: { kind: "synchronous", boundMs: 2_000 },
  };
  const copied = () =>
    runsOn(cluster())
      .put(keys.pool("shared" as PoolId), pool("shared", "local-dir"))
      .put(keys.group("office" as GroupId), group);

  test("[S17] goes to the host of its copies alone, and is told which that is", () => {
    for (const kind of ["migrate", "relocate"] as const)
      expect(moveTo(copied(), "h3", everybodyUp, kind)).toMatchObject({
        code: "move-away-from-copies",
        params: { vm: "db", host: "h3", group: "office", lies: "h1", copy: "h2" },
      });
  });

  test("[S17] and there only to copies that are whole", () => {
    expect(moveTo(copied(), "h2", everybodyUp, "relocate")).toMatchObject({
      code: "move-copy-not-whole",
      params: { vm: "db", host: "h2", group: "office", lies: "h1" },
    });
  });

  test("without a group it is told that its guest takes them along", () => {
    const records = runsOn(cluster()).put(keys.pool("shared" as PoolId), pool("shared", "local-dir"));
    expect(moveTo(records, "h3", everybodyUp, "relocate")).toMatchObject({ code: "move-disks-elsewhere" });
  });
});
