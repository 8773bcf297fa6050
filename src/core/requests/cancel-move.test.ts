import { expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import { epoch, held, incarnation, move, Records, vm, vmId } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { planCancelMove } from "./cancel-move.ts";

const db = vmId("db");
const cluster = () =>
  new Records()
    .host("h1")
    .host("h2")
    .put(keys.vm(db), vm("db"))
    .put(keys.owner(db), held("h1", 1, 4));
const moving = (more: Partial<VmMove>) => cluster().put(keys.vmMove(db), move("db", "h1", "h2", more));
const cancel = (records: Records, name = "db") => planCancelMove(records.view, name, asked);

test("[S15] a move of what runs fails in the record that the hand-over compares", () => {
  const stages: VmMove["live"][] = [
    { kind: "asked" },
    { kind: "waiting", incarnation: incarnation(1), doors: [], tls: true },
  ];
  for (const live of stages) {
    const planned = cancel(moving({ live }));
    expect(written(planned, keys.vmMove(db))).toMatchObject({ answer: { kind: "failed", code: "move-cancelled" } });
    expect(compared(planned)).toContain(keys.vmMove(db));
  }
});

test("an order that waits is taken back", () => {
  const order = { schema: 1, vm: db, order: { kind: "migrate", to: "h2" }, actor: asked.actor, at: asked.at };
  expect(written(cancel(cluster().put(keys.vmOrder(db), order)), keys.vmOrder(db))).toBe("delete");
});

test("[S15] once the VM has changed hands it is refused, and so is what is not there", () => {
  const switched = moving({ live: { kind: "switched", incarnation: incarnation(1) } });
  expect(codeOf(cancel(switched.put(keys.owner(db), held("h2", 1, 5))))).toBe("move-too-late-to-cancel");
  expect(codeOf(cancel(cluster()))).toBe("vm-not-moving");
  expect(codeOf(cancel(moving({})))).toBe("move-stops-already");
  expect(codeOf(cancel(moving({ epoch: epoch(2), live: { kind: "asked" } })))).toBe("vm-not-moving");
  expect(codeOf(cancel(cluster(), "nix"))).toBe("vm-unknown");
});
