import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, newTaskId, written } from "../../../test/support/planned.ts";
import { held, host, Records, vm, vmId } from "../../../test/support/records.ts";
import type { RuleId, TaskId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmOrder, VmPlan } from "../../model/move-records.ts";
import type { Vm } from "../../model/records.ts";
import type { Rule } from "../../model/rules.ts";
import { planDeleteVm, planSetVm } from "./change-vm.ts";
import { planResetVm, planStartVm, planStopVm } from "./power.ts";

const db = vmId("db");
const gaveUp = { schema: 1, kind: "released", host: "h1", epoch: 7, failed: "panicked", failedHosts: ["h1", "h2"] };

function cluster(more: Partial<Vm> = {}): Records {
  return new Records()
    .host("h1")
    .host("h2")
    .put(keys.vm(db), vm("db", { maxRelocate: 1, ...more }));
}

function plan(more: Partial<VmPlan> = {}): VmPlan {
  return { schema: 1, error: null, returnTo: null, failedMoves: null, ...more };
}

function order(kind: VmOrder["order"]): VmOrder {
  return { schema: 1, vm: db, order: kind, actor: asked.actor, at: asked.at };
}

function rule(id: string, vms: string[], more: object): Rule {
  const common = { schema: 1, id, vms: vms.map(vmId), enabled: true, comment: "", createdAt: 0 };
  return { ...common, ...more } as unknown as Rule;
}

const stopFailed = plan({ error: { code: "vm-gave-up", params: {}, at: asked.at }, returnTo: host("h2") });

describe("set", () => {
  test("each wish is written, enabled means started, and the answer names what changed", () => {
    const request = { vm: "db", requested: "enabled", failback: false, startPriority: 5, startDelayMs: 9_000 } as const;
    const planned = planSetVm(cluster({ requested: "stopped" }).view, request, asked);
    const wanted = { requested: "started", failback: false, startPriority: 5, startDelayMs: 9_000, maxRestart: 3 };
    expect(written(planned, keys.vm(db))).toMatchObject(wanted);
    const to = "requested started, failback false, startPriority 5, startDelayMs 9000";
    expect(planned).toMatchObject({ events: [{ type: "vm-changed", params: { vm: "db", to } }] });
  });

  test("a lock is taken away by hand, in the same edit as an error; where there is none that is said", () => {
    const lock = { kind: "snapshot", at: asked.at } as const;
    const lost = cluster({ lock }).put(keys.vmPlan(db), stopFailed);
    expect(codeOf(planSetVm(lost.view, { vm: "db", unlock: true }, asked))).toBe("vm-in-error");
    const planned = planSetVm(lost.view, { vm: "db", requested: "disabled", unlock: true }, asked);
    expect(written(planned, keys.vm(db))).toMatchObject({ lock: null, requested: "disabled" });
    expect(planned).toMatchObject({
      events: expect.arrayContaining([expect.objectContaining({ type: "vm-unlocked" })]),
    });
    expect(codeOf(planSetVm(cluster({ lock }).view, { vm: "db", unlock: true }, asked))).toBe("planned");
    expect(codeOf(planSetVm(cluster().view, { vm: "db", unlock: true }, asked))).toBe("vm-not-locked");
  });

  test.each([
    ["too many failed hosts", gaveUp, undefined],
    ["an error in the plan", held("h1", 1, 7), stopFailed],
  ])("in error by %s a VM takes nothing but disabled", (_, owner, remembered) => {
    const records = cluster().put(keys.owner(db), owner);
    if (remembered !== undefined) records.put(keys.vmPlan(db), remembered);
    const { view } = records;
    for (const requested of ["started", "enabled", "stopped", "ignored"] as const) {
      expect(codeOf(planSetVm(view, { vm: "db", requested }, asked))).toBe("vm-in-error");
    }
    expect(codeOf(planSetVm(view, { vm: "db", maxRelocate: 9 }, asked))).toBe("vm-in-error");
    expect(codeOf(planStartVm(view, "db", newTaskId, asked))).toBe("vm-in-error");
    expect(codeOf(planStopVm(view, "db", newTaskId, asked, 0))).toBe("vm-in-error");
    expect(codeOf(planDeleteVm(view, "db", asked))).toBe("vm-in-error");
    expect(planSetVm(view, { vm: "db", requested: "disabled", maxRelocate: 9 }, asked)).toMatchObject({
      kind: "plan",
      events: [{ type: "vm-changed" }, { type: "vm-failures-forgotten" }],
    });
  });

  test("[S14] disabled clears the error in its own transaction, and leaves epoch and a holder alone", () => {
    const failed = planSetVm(cluster().put(keys.owner(db), gaveUp).view, { vm: "db", requested: "disabled" }, asked);
    expect(written(failed, keys.owner(db))).toEqual({ ...gaveUp, failed: null, failedHosts: [] });
    expect(compared(failed)).toContain(keys.owner(db));
    const records = cluster()
      .put(keys.owner(db), held("h1", 1, 7))
      .put(keys.vmPlan(db), stopFailed);
    const stuck = planSetVm(records.view, { vm: "db", requested: "disabled" }, asked);
    expect(written(stuck, keys.owner(db))).toBeUndefined();
    expect(written(stuck, keys.vmPlan(db))).toEqual({ ...stopFailed, error: null });
    records.put(keys.vmPlan(db), { ...stopFailed, returnTo: null });
    expect(written(planSetVm(records.view, { vm: "db", requested: "disabled" }, asked), keys.vmPlan(db))).toBe(
      "delete",
    );
  });

  test("an error that arose while disabled was wanted does not come back with the VM", () => {
    const { view } = cluster({ requested: "disabled" }).put(keys.vmPlan(db), stopFailed);
    expect(written(planSetVm(view, { vm: "db", requested: "disabled" }, asked), keys.vmPlan(db))).toMatchObject({
      error: null,
    });
    expect(written(planSetVm(view, { vm: "db", requested: "started" }, asked), keys.vmPlan(db))).toMatchObject({
      error: null,
    });
    expect(written(planStartVm(view, "db", newTaskId, asked), keys.vmPlan(db))).toMatchObject({ error: null });
    expect(codeOf(planSetVm(view, { vm: "db", maxRestart: 3 }, asked))).toBe("vm-nothing-to-change");
  });
});

describe("start and stop", () => {
  test("a stop with a grace of its own is an order beside the wish, and replaces an older order", () => {
    const older = order({ kind: "migrate", to: host("h2") });
    const records = cluster()
      .put(keys.owner(db), held("h1", 1, 7))
      .put(keys.vmOrder(db), older);
    const planned = planStopVm(records.view, "db", newTaskId, asked, 0);
    expect(written(planned, keys.vm(db))).toMatchObject({ requested: "stopped" });
    expect(written(planned, keys.vmOrder(db))).toMatchObject({ order: { kind: "stop", graceMs: 0 } });
    expect(compared(planned)).toContain(keys.vmOrder(db));
    expect(written(planStopVm(records.view, "db", newTaskId, asked), keys.vmOrder(db))).toBeUndefined();
  });

  test("a stop under way is made a hard one, as the same task", () => {
    const records = cluster({ requested: "stopped" }).put(keys.owner(db), held("h1", 1, 7));
    const open = {
      schema: 1,
      id: "task-old",
      actor: asked.actor,
      kind: "stop-vm",
      vm: db,
      percent: 0,
      end: null,
      at: 1,
    };
    records.put(keys.task("task-old" as TaskId), open);
    const planned = planStopVm(records.view, "db", newTaskId, asked, 0);
    expect(planned).toMatchObject({ outcome: { kind: "task", task: "task-old" }, transaction: { writes: [{}] } });
    expect(written(planned, keys.vmOrder(db))).toMatchObject({ order: { kind: "stop", graceMs: 0 } });
  });

  test("a start takes back a stop that was ordered, and leaves an ordered move alone", () => {
    const stopping = cluster({ requested: "stopped" }).put(keys.vmOrder(db), order({ kind: "stop", graceMs: 0 }));
    expect(written(planStartVm(stopping.view, "db", newTaskId, asked), keys.vmOrder(db))).toBe("delete");
    const moving = cluster({ requested: "stopped" }).put(keys.vmOrder(db), order({ kind: "migrate", to: host("h2") }));
    expect(written(planStartVm(moving.view, "db", newTaskId, asked), keys.vmOrder(db))).toBeUndefined();
  });

  test("a disarmed cluster starts nothing, and a reset of a VM in error finds nothing that runs", () => {
    const disarm = { schema: 1, mode: "freeze", by: asked.actor, at: 1 };
    const { view } = cluster({ requested: "stopped" }).put(keys.disarm, disarm);
    expect(codeOf(planStartVm(view, "db", newTaskId, asked))).toBe("cluster-disarmed");
    expect(codeOf(planSetVm(view, { vm: "db", requested: "started" }, asked))).toBe("planned");
    const failed = cluster().put(keys.owner(db), gaveUp);
    expect(codeOf(planResetVm(failed.view, "db", "i" as never, asked))).toBe("vm-not-running");
  });
});

test("a deletion takes everything that is remembered of the VM with it, and takes it out of its rules", () => {
  const records = cluster({ requested: "stopped" })
    .put(keys.vmPlan(db), plan({ returnTo: host("h2") }))
    .put(keys.vmOrder(db), order({ kind: "migrate", to: host("h2") }))
    .put(keys.rule("pair" as RuleId), rule("pair", ["db", "web"], { kind: "vm-affinity", affinity: "apart" }))
    .put(
      keys.rule("here" as RuleId),
      rule("here", ["db", "web"], { kind: "host-affinity", hosts: [{ host: "h1", priority: 0 }], strict: false }),
    )
    .put(keys.rule("other" as RuleId), rule("other", ["web", "x"], { kind: "vm-affinity", affinity: "together" }));
  const planned = planDeleteVm(records.view, "db", asked);
  expect(written(planned, keys.vmPlan(db))).toBe("delete");
  expect(written(planned, keys.vmOrder(db))).toBe("delete");
  expect(written(planned, keys.rule("pair" as RuleId))).toMatchObject({ vms: ["vm:web"] });
  expect(written(planned, keys.rule("here" as RuleId))).toMatchObject({ vms: ["vm:web"] });
  expect(written(planned, keys.rule("other" as RuleId))).toBeUndefined();
  expect(compared(planned)).toEqual(expect.arrayContaining([keys.rule("pair" as RuleId), keys.vmMove(db)]));
});
