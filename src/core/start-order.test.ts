import { expect, test } from "vitest";
import { cluster, knowledge, none, now, written } from "../../test/support/decision-rig.ts";
import { epoch, fence, held, host, incarnation, type Records, status, vm, vmId } from "../../test/support/records.ts";
import type { InstantMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { decideVms } from "./decide-vms.ts";
import { limits } from "./limits.ts";
import { seeTurns, type Turns } from "./start-order.ts";

const [db, app] = [vmId("db"), vmId("app")];
const nobody: Turns = new Map();

/** h1 is lost with `db`, which comes first and wants two seconds, and `app`. */
function lost(): Records {
  return cluster("replicated", null)
    .put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }))
    .put(keys.vm(db), vm("db", { startPriority: 9, startDelayMs: 2_000 }))
    .put(keys.vm(app), vm("app", { startPriority: 1 }))
    .put(keys.owner(db), held("h1", 1, 1))
    .put(keys.owner(app), held("h1", 1, 1))
    .put(keys.fence(host("h1"), incarnation(1)), fence());
}
const at = (ms: number): InstantMs => (now + ms) as InstantMs;
const decide = (records: Records, turns: Turns, ms: number) =>
  decideVms(records.view, { ...knowledge(records, { h1: -ms, h2: -ms, h3: -ms }), turns, now: at(ms) }, [], none);

test("[HM6] a lower priority waits until the higher runs and its delay is over", () => {
  const records = lost();
  let turns = seeTurns(nobody, records.view, at(0));
  const first = decide(records, turns, 0);
  expect(written(first, keys.owner(db))).toMatchObject({ host: "h2", epoch: 2 });
  expect(written(first, keys.owner(app))).toBeUndefined();
  expect(first.notices.map(({ event }) => event.type)).toEqual(["vm-waits-its-turn"]);
  records.put(keys.owner(db), held("h2", 1, 2));
  turns = seeTurns(turns, records.view, at(100));
  expect(written(decide(records, turns, 100), keys.owner(app))).toBeUndefined();
  records.put(keys.vmStatus(db), status("h2", 1, 2, "running"));
  turns = seeTurns(turns, records.view, at(500));
  expect(decide(records, turns, 2_499).wakeAt).toBe(at(2_500));
  expect(written(decide(records, turns, 2_499), keys.owner(app))).toBeUndefined();
  expect(written(decide(records, turns, 2_500), keys.owner(app))).toMatchObject({ epoch: 2 });
  expect([...seeTurns(turns, records.view, at(2_500)).keys()]).toEqual([app]);
});

test("[HM6] nobody waits longer than a turn for what does not come up, nor at all for what is held up by itself", () => {
  const records = lost();
  const turns = seeTurns(nobody, records.view, at(0));
  expect(written(decide(records, turns, limits.startTurnMs - 1), keys.owner(app))).toBeUndefined();
  expect(written(decide(records, turns, limits.startTurnMs), keys.owner(app))).toBeDefined();
  const locked = lost().put(keys.vm(db), vm("db", { startPriority: 9, lock: { kind: "create", at: 0 as never } }));
  expect(written(decide(locked, seeTurns(nobody, locked.view, at(0)), 0), keys.owner(app))).toBeDefined();
});

test("[HM6] where no VM has a priority or a delay there is nothing to remember", () => {
  const records = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(seeTurns(nobody, records.view, at(0)).size).toBe(0);
});

test("[HM6] VMs that are free take their turns, too: after an outage of all hosts", () => {
  const records = lost();
  const free = { schema: 1, kind: "released", host: "h2", epoch: epoch(4), failed: null, failedHosts: [] };
  records.put(keys.owner(db), free).put(keys.owner(app), free);
  const turns = seeTurns(nobody, records.view, at(0));
  const decided = decide(records, turns, 0);
  expect(written(decided, keys.owner(db))).toMatchObject({ host: "h2", epoch: 5 });
  expect(written(decided, keys.owner(app))).toBeUndefined();
});
