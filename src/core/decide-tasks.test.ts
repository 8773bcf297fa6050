import { describe, expect, test } from "vitest";
import { asked } from "../../test/support/planned.ts";
import { fence, held, host, Records, status, vm, vmId } from "../../test/support/records.ts";
import type { Epoch, Incarnation, IntentId, TaskId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ResetIntent, Task } from "../model/records.ts";
import { decideTasks } from "./decide-tasks.ts";
import type { ManagerKnowledge } from "./decision.ts";

const db = vmId("db");
const id = "task-1" as TaskId;
const known = { wall: 700_000 as WallMs } as ManagerKnowledge;

function task(kind: Task["kind"], more: Partial<Task> = {}): Task {
  return {
    schema: 1,
    id,
    actor: asked.actor,
    kind,
    vm: db,
    to: null,
    percent: 0,
    end: null,
    at: asked.at,
    ...more,
  };
}

/** What is written of the task: its end, its percent, `delete`, or nothing. */
function decided(records: Records, given: Task): unknown {
  const [decision] = decideTasks(records.put(keys.task(id), given).view, known, [], 64);
  const write = decision?.transaction.writes[0];
  if (write?.kind !== "put") return write?.kind;
  const { end, percent } = JSON.parse(write.text) as Task;
  if (end === null) return percent;
  return end.kind === "done" ? "done" : end.code;
}

describe("a task", () => {
  const gaveUp = { schema: 1, kind: "released", host: "h1", epoch: 7, failed: "panicked", failedHosts: ["h1", "h2"] };
  const released = { ...gaveUp, failed: null, failedHosts: [] };
  const error = { code: "vm-gave-up", params: { vm: "db" }, at: 1 };
  const plan = { schema: 1, error, returnTo: null, failedMoves: null };

  test("of a start ends when the VM runs, was given up, or somebody wants the opposite", () => {
    const wanted = () => new Records().put(keys.vm(db), vm("db", { maxRelocate: 1 }));
    expect(decided(wanted().put(keys.owner(db), held("h1", 1, 7)), task("start-vm"))).toBe(33);
    const running = wanted().put(keys.owner(db), held("h1", 1, 7));
    expect(decided(running.put(keys.vmStatus(db), status("h1", 1, 7, "running")), task("start-vm"))).toBe("done");
    expect(decided(wanted().put(keys.owner(db), gaveUp), task("start-vm"))).toBe("vm-gave-up");
    expect(decided(wanted().put(keys.vmPlan(db), plan), task("start-vm"))).toBe("vm-gave-up");
    const stopped = new Records().put(keys.vm(db), vm("db", { requested: "stopped" }));
    expect(decided(stopped, task("start-vm"))).toBe("superseded");
  });

  test("of a VM that something is decided about waits for what comes of it", () => {
    const records = new Records().put(keys.vm(db), vm("db")).put(keys.owner(db), held("h1", 1, 7));
    const { view } = records.put(keys.task(id), task("start-vm"));
    expect(decideTasks(view, known, [], 64)).toHaveLength(1);
    expect(decideTasks(view, known, [], 64, new Set([db]))).toEqual([]);
  });

  test("of a stop ends when nobody holds the VM, or it could not be stopped", () => {
    const unwanted = () => new Records().put(keys.vm(db), vm("db", { requested: "stopped" }));
    expect(decided(unwanted().put(keys.owner(db), held("h1", 1, 7)), task("stop-vm"))).toBeUndefined();
    expect(decided(unwanted().put(keys.owner(db), released), task("stop-vm"))).toBe("done");
    const stuck = unwanted()
      .put(keys.owner(db), held("h1", 1, 7))
      .put(keys.vmPlan(db), plan);
    expect(decided(stuck, task("stop-vm"))).toBe("vm-gave-up");
  });

  test("of a move follows the order's records", () => {
    const records = new Records().put(keys.vm(db), vm("db")).put(keys.owner(db), held("h2", 1, 8));
    records.put(keys.vmStatus(db), status("h2", 1, 8, "running"));
    expect(decided(records, task("move-vm", { to: host("h2") }))).toBe("done");
  });

  test("of a VM that is gone ends; one that ended is kept for ten minutes", () => {
    expect(decided(new Records(), task("start-vm"))).toBe("vm-gone");
    expect(decided(new Records(), task("delete-vm"))).toBe("done");
    const ended = (at: number) => task("stop-vm", { end: { kind: "done", at: at as WallMs } });
    expect(decided(new Records(), ended(200_000))).toBeUndefined();
    expect(decided(new Records(), ended(1_000))).toBe("delete");
  });
});

describe("a wish to reset a VM", () => {
  const wish: ResetIntent = {
    ...{ schema: 1, id: "intent-1" as IntentId, actor: asked.actor, kind: "reset-vm", vm: db },
    ...{ epoch: 7 as Epoch, answer: { kind: "open" }, at: asked.at },
  };

  function answered(records: Records): unknown {
    const [decision] = decideTasks(records.put(keys.intent(wish.id), wish).view, known, [], 64);
    const write = decision?.transaction.writes[0];
    return write?.kind === "put" ? (JSON.parse(write.text) as ResetIntent).answer : write;
  }

  const refused = { kind: "refused", code: "vm-not-running", params: { vm: "db" }, at: known.wall };
  const held7 = () => new Records().put(keys.vm(db), vm("db")).put(keys.owner(db), held("h1", 1, 7));

  test("[HM1] is left to the agent of the host that holds that run", () => {
    expect(answered(held7())).toBeUndefined();
  });

  test("[HM1] is refused once that run was let go, followed by another, or lost with its host", () => {
    expect(answered(new Records().put(keys.vm(db), vm("db")))).toEqual(refused);
    const released = { schema: 1, kind: "released", host: "h1", epoch: 7, failed: null, failedHosts: [] };
    expect(answered(held7().put(keys.owner(db), released))).toEqual(refused);
    expect(answered(held7().put(keys.owner(db), held("h2", 1, 8)))).toEqual(refused);
    expect(answered(held7().put(keys.fence(host("h1"), 1 as Incarnation), fence()))).toEqual(refused);
  });
});
