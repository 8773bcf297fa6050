import { expect, test } from "vitest";
import { cluster } from "../../test/support/decision-rig.ts";
import { host, move, plan, type Records, status, vm, vmId } from "../../test/support/records.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import { systemActor } from "../model/records.ts";
import { waitsToLeave } from "./waits-to-leave.ts";

const web = vmId("web");
const maintenance = { schema: 1, by: systemActor, reason: "", at: 7 };

/** `web` runs on h1, which is to be empty. */
const leaving = (): Records =>
  cluster("replicated")
    .put(keys.vmStatus(web), status("h1", 1, 4, "running"))
    .put(keys.maintenance(host("h1")), maintenance);
const waits = (records: Records, now = 10_999 as WallMs) => waitsToLeave(records.view, now).map((one) => one.waits);
const failed = (more: object) => plan({ failedMoves: { count: 0, to: host("h2"), code: "move-cancelled", ...more } });

test("[HM3] what a host in maintenance holds and what is not on its way is told, with since when it is to leave", () => {
  const [one, ...more] = waitsToLeave(leaving().view, 7 as WallMs);
  expect(more).toEqual([]);
  expect(one).toMatchObject({ vm: { id: web }, at: 7, why: { code: "host-in-maintenance" } });
  expect(one?.waits).toEqual({ code: "leave-not-begun", params: { vm: "web", host: "h1" } });
});

test("[HM2] one whose move was called off waits until it is tried again, and one that failed too often for somebody", () => {
  expect(waits(leaving().put(keys.vmPlan(web), failed({ at: 1_000 })))).toMatchObject([
    { code: "leave-again-after-call-off", params: { to: "h2", againWall: 11_000 } },
  ]);
  expect(waits(leaving().put(keys.vmPlan(web), failed({ code: "move-broke-off", at: 1_000 })))).toMatchObject([
    { code: "leave-again-later", params: { to: "h2", againWall: 11_000 } },
  ]);
  expect(
    waits(
      leaving().put(
        keys.vmPlan(web),
        failed({ count: defaultPolicy.moveAttemptsMax, code: "move-broke-off", at: 1_000 }),
      ),
    ),
  ).toMatchObject([{ code: "leave-given-up", params: { to: "h2" } }]);
});

test("[HM2] nothing is told of a wait that is over", () => {
  const records = leaving().put(keys.vmPlan(web), failed({ at: 1_000 }));
  const codes = [10_999, 11_000, 47_000].map((now) => waits(records, now as WallMs).map(({ code }) => code));
  expect(codes).toEqual([["leave-again-after-call-off"], ["leave-not-begun"], ["leave-not-begun"]]);
  const older = leaving().put(keys.vmPlan(web), failed({}));
  expect(waits(older, 47_000 as WallMs)).toMatchObject([{ code: "leave-again-after-call-off" }]);
});

test("[HM2] what was called off by its target's maintenance is not waited for, and an older version's record has no time", () => {
  const over = failed({ code: "move-target-in-maintenance", at: 1_000 });
  expect(waits(leaving().put(keys.vmPlan(web), over))).toMatchObject([{ code: "leave-not-begun" }]);
  expect(waits(leaving().put(keys.vmPlan(web), failed({})))).toMatchObject([{ params: { againWall: "in a while" } }]);
});

test("a lock, and a disarmed cluster, are what is in the way", () => {
  const lock = { kind: "backup", at: 1 };
  expect(waits(leaving().put(keys.vm(web), { ...vm("web"), lock }))).toMatchObject([{ code: "vm-is-locked" }]);
  const disarm = { schema: 1, mode: "freeze", by: systemActor, at: 1 };
  expect(waits(leaving().put(keys.disarm, disarm))).toMatchObject([{ code: "disarmed", params: { mode: "freeze" } }]);
});

test("nothing is told of what is on its way, ordered away, not wanted, or on a host that stays", () => {
  expect(waits(leaving().put(keys.vmMove(web), move("web", "h1", "h2")))).toEqual([]);
  const order = { schema: 1, vm: web, order: { kind: "migrate", to: "h2" }, actor: systemActor, at: 1 };
  expect(waits(leaving().put(keys.vmOrder(web), order))).toEqual([]);
  expect(waits(leaving().put(keys.vm(web), vm("web", { requested: "stopped" })))).toEqual([]);
  expect(waits(cluster("replicated"))).toEqual([]);
});
