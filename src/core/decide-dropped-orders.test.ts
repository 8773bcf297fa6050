import { expect, test } from "vitest";
import { cluster, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { host, status, vmId } from "../../test/support/records.ts";
import type { TaskId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmOrder } from "../model/move-records.ts";
import { systemActor, type Task } from "../model/records.ts";
import { decideVms } from "./decide-vms.ts";

const web = vmId("web");
const toH3: VmOrder = {
  schema: 1,
  vm: web,
  order: { kind: "relocate", to: host("h3") },
  actor: systemActor,
  at: 0 as VmOrder["at"],
};
/** Under the name of its aim. */
const moveTask = (to: string): Task => ({
  schema: 1,
  id: to as TaskId,
  actor: systemActor,
  kind: "move-vm",
  vm: web,
  to: host(to),
  percent: 0,
  end: null,
  at: 0 as Task["at"],
});

test("[HM1] the task of an order that is dropped ends with the same cause, in the same step", () => {
  const records = cluster("replicated")
    .put(keys.vmStatus(web), status("h1", 1, 4, "running"))
    .put(keys.vmOrder(web), toH3);
  for (const to of ["h3", "h2"]) records.put(keys.task(to as TaskId), moveTask(to));
  const decided = decideVms(records.view, knowledge(records, { h3: 3_000 }), [], none);
  expect(decided.decisions.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(["vm-order-dropped"]);
  const why = { code: "host-is-silent", params: { host: "h3", silentMs: 3_000 } };
  expect(written(decided, keys.task("h3" as TaskId))).toMatchObject({
    end: { kind: "failed", code: "order-dropped", why },
  });
  expect(written(decided, keys.task("h2" as TaskId))).toBeUndefined();
});
