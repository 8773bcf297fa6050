import { expect, test, vi } from "vitest";
import { knowledge, none } from "../../test/support/decision-rig.ts";
import { held, host, pool, Records, status, vm, vmId } from "../../test/support/records.ts";
import type { PoolId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";
import { carryOutOrders } from "./decide-vm-orders.ts";
import { VmRound } from "./vm-round.ts";

/** `web` is ordered to h2; on h1 it is in this phase. */
function ordered(phase: "starting" | "running"): { readonly round: VmRound; readonly looks: () => number } {
  const web = vmId("web");
  const order = { schema: 1, vm: web, order: { kind: "relocate", to: host("h2") }, actor: systemActor, at: 0 };
  const records = new Records()
    .host("h1")
    .host("h2")
    .put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  records.put(keys.vm(web), vm("web")).put(keys.owner(web), held("h1", 1, 4));
  records.put(keys.vmStatus(web), status("h1", 1, 4, phase)).put(keys.vmOrder(web), order);
  const round = new VmRound(records.view, knowledge(records), [], none);
  const looks = vi.spyOn(round, "whyUnfit");
  return { round, looks: () => looks.mock.calls.length };
}

test("[HM1] an order that waits asks for no host's room; once its VM stands still it does, and is carried out", () => {
  const waiting = ordered("starting");
  carryOutOrders(waiting.round);
  expect(waiting.looks()).toBe(0);
  expect(waiting.round.decided()).toMatchObject({ decisions: [], notices: [] });
  const ready = ordered("running");
  carryOutOrders(ready.round);
  expect(ready.looks()).toBeGreaterThan(0);
  expect(ready.round.decided().decisions[0]?.events).toMatchObject([{ type: "vm-move-begun" }]);
});
