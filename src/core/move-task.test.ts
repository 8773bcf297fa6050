import { expect, test } from "vitest";
import { asked } from "../../test/support/planned.ts";
import { held, host, Records, status, vm, vmId } from "../../test/support/records.ts";
import type { TaskId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { vmMoveSchema, vmOrderSchema } from "../model/move-records.ts";
import type { Task, Vm } from "../model/records.ts";
import { progressOfMove } from "./move-task.ts";

const db = vmId("db");
const task: Task = {
  schema: 1,
  id: "task-1" as TaskId,
  actor: asked.actor,
  kind: "move-vm",
  vm: db,
  to: host("h2"),
  percent: 0,
  end: null,
  at: asked.at,
};
const order = vmOrderSchema.parse({
  schema: 1,
  vm: db,
  order: { kind: "migrate", to: "h2" },
  actor: asked.actor,
  at: asked.at,
});
const move = vmMoveSchema.parse({
  schema: 1,
  vm: db,
  kind: "migrate",
  from: "h1",
  incarnation: 1,
  epoch: 7,
  to: "h2",
  reason: { rule: "HM1", code: "ordered", params: {} },
  answer: { kind: "open" },
  at: 2,
});
const released = { schema: 1, kind: "released", host: "h1", epoch: 7, failed: null, failedHosts: [] };

/** What becomes of the task; its percent where it is open. */
function end(records: Records, more: Partial<Task> = {}, wanted: Partial<Vm> = {}): unknown {
  const record = vm("db", wanted);
  records.put(keys.vm(db), record);
  const given = { ...task, ...more };
  const next = progressOfMove(records.view, given, record, 5 as WallMs) ?? given;
  if (next.end === null) return next.percent;
  return next.end.kind === "done" ? "done" : next.end.code;
}

test("from the order over the move to the run on the wanted host", () => {
  const records = new Records().put(keys.owner(db), held("h1", 1, 7)).put(keys.vmOrder(db), order);
  expect(end(records)).toBe(0);
  const moving = new Records().put(keys.owner(db), held("h1", 1, 7)).put(keys.vmMove(db), move);
  expect(end(moving)).toBe(33);
  expect(end(moving.put(keys.owner(db), released), { percent: 33 })).toBe(67);
  const arrived = new Records().put(keys.owner(db), held("h2", 1, 8));
  expect(end(arrived.put(keys.vmStatus(db), status("h2", 1, 8, "starting")), { percent: 67 })).toBe(67);
  expect(end(arrived.put(keys.vmStatus(db), status("h2", 1, 8, "running")), { percent: 67 })).toBe("done");
});

test("of a VM that is not to run: done when the owner record names the host", () => {
  const records = new Records().put(keys.owner(db), { ...released, host: "h2" });
  expect(end(records, { percent: 33 }, { requested: "stopped" })).toBe("done");
  expect(end(records, { percent: 33 })).toBe(67);
});

test("another order or another wish supersedes it; one that came after its arrival does not", () => {
  const later = { ...order, at: 9, order: { kind: "migrate", to: "h3" } };
  const records = new Records().put(keys.owner(db), held("h1", 1, 7)).put(keys.vmOrder(db), later);
  expect(end(records)).toBe("superseded");
  const sameMoment = { ...later, at: asked.at, actor: { ...asked.actor, requestId: "request-2" } };
  expect(end(records.put(keys.vmOrder(db), sameMoment))).toBe("superseded");
  expect(end(records.put(keys.owner(db), held("h2", 1, 8)))).toBe("done");
  const ignored = new Records().put(keys.owner(db), held("h1", 1, 7));
  expect(end(ignored, {}, { requested: "ignored" })).toBe("superseded");
});

test("dropped, failed, ended elsewhere, given up: each under its own name", () => {
  const records = new Records().put(keys.owner(db), held("h1", 1, 7));
  expect(end(records)).toBe("order-dropped");
  expect(end(records, { percent: 33 })).toBe("move-ended-elsewhere");
  const failed = { ...move, answer: { kind: "failed", code: "x", params: {} } };
  expect(end(new Records().put(keys.owner(db), held("h1", 1, 7)).put(keys.vmMove(db), failed), { percent: 33 })).toBe(
    33,
  );
  const plan = { schema: 1, error: null, returnTo: null, failedMoves: { count: 1, to: "h2", code: "x" } };
  expect(end(records.put(keys.vmPlan(db), plan), { percent: 33 })).toBe("move-failed");
  const said = {
    ...plan,
    failedMoves: { ...plan.failedMoves, code: "move-no-link", params: { to: "h2", tried: "a" } },
  };
  expect(end(records.put(keys.vmPlan(db), said), { percent: 33 })).toBe("move-no-link");
  const gaveUp = { ...released, host: "h2", failed: "panicked", failedHosts: ["h2", "h1"] };
  expect(end(new Records().put(keys.owner(db), gaveUp), { percent: 67 }, { maxRelocate: 1 })).toBe("vm-gave-up");
});
