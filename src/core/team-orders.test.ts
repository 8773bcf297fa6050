import { describe, expect, test } from "vitest";
import { cluster, knowledge, none } from "../../test/support/decision-rig.ts";
import { held, host, type Records, status, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";
import { transactionOpsMax } from "../ports/store-rules.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decision } from "./decision.ts";

const web = vmId("web");

/** `web` and `others` more VMs that a rule keeps together run on h1; a person orders `web` to h2. */
function teamOf(others: number): Records {
  const records = cluster("replicated").put(keys.vmStatus(web), status("h1", 1, 4, "running"));
  const ids = Array.from({ length: others }, (_, i) => `o${i}`);
  for (const id of ids) {
    const owner = { ...held("h1", 1, 1) };
    records.put(keys.vm(vmId(id)), vm(id, { memoryMiB: 16 })).put(keys.owner(vmId(id)), owner);
    records.put(keys.vmStatus(vmId(id)), status("h1", 1, 1, "running"));
  }
  const vms = [web, ...ids.map(vmId)];
  const rule = { schema: 1, id: "team", kind: "vm-affinity", affinity: "together", vms, enabled: true, comment: "" };
  records.put(keys.rule("team" as never), { ...rule, createdAt: 0 });
  const order = { schema: 1, vm: web, order: { kind: "relocate", to: host("h2") }, actor: systemActor, at: 0 };
  return records.put(keys.vmOrder(web), order);
}

const decided = (records: Records): readonly Decision[] =>
  decideVms(records.view, knowledge(records), [], none).decisions;

describe("an order for a VM that others are kept together with", () => {
  test("[HM1] takes them along in one transaction, which the store can take with the events that tell of it", () => {
    const [first] = decided(teamOf(19));
    const { transaction, events } = first as Decision;
    expect(events).toHaveLength(20);
    expect(transaction.compares.length + events.length).toBeLessThan(transactionOpsMax);
    expect(transaction.writes.length + events.length).toBeLessThan(transactionOpsMax);
  });

  test("[HM1] is dropped with the cause where they are too many for one", () => {
    const events = decided(teamOf(40)).flatMap((decision) => decision.events);
    const dropped = events.find(({ type }) => type === "vm-order-dropped");
    expect(dropped?.reason).toMatchObject({ code: "team-too-large-to-move", params: { count: 40, most: 19 } });
  });
});
