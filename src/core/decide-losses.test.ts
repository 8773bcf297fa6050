import { expect, test } from "vitest";
import { cluster, knowledge } from "../../test/support/decision-rig.ts";
import { fence, host, incarnation, type Records } from "../../test/support/records.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { decideLosses } from "./decide-losses.ts";

const hour = 3_600_000;
const h1 = host("h1");
const wall = (ms: number): WallMs => ms as WallMs;

const lostAt = (records: Records, n: number, at: number): Records =>
  records.put(keys.fence(h1, incarnation(n)), fence({ at: wall(at) }));
const decide = (records: Records, at: number) => {
  const decisions = decideLosses(records.view, { ...knowledge(records), wall: wall(at) }, []);
  const write = decisions[0]?.transaction.writes[0];
  return { record: write?.kind === "put" ? JSON.parse(write.text) : undefined, events: decisions[0]?.events ?? [] };
};

test("[HM6] losses are counted once each, and the third within the hour closes the host for two", () => {
  const records = lostAt(lostAt(cluster("replicated"), 1, 0), 2, hour / 2);
  const two = decide(records, hour / 2);
  expect(two.record).toMatchObject({ counted: 2, at: [0, hour / 2], quarantinedUntil: null });
  expect(two.events).toEqual([]);
  records.put(keys.hostLosses(h1), two.record);
  expect(decide(records, hour / 2).record).toBeUndefined();
  const three = decide(lostAt(records, 3, hour), hour);
  expect(three.record).toMatchObject({ counted: 3, quarantinedUntil: 3 * hour });
  expect(three.events.map(({ type }) => type)).toEqual(["host-flaps"]);
});

test("[HM6] what lies before the window is forgotten", () => {
  const records = cluster("replicated").put(keys.hostLosses(h1), {
    schema: 1,
    counted: 2,
    at: [0, 10],
    quarantinedUntil: null,
  });
  expect(decide(lostAt(records, 3, hour + 5), hour + 5).record).toMatchObject({ at: [10, hour + 5] });
});

test("[HM6] a host that left in order was not lost; one that came back before it was fenced was", () => {
  const records = cluster("replicated");
  records.put(keys.fence(h1, incarnation(1)), fence({ cause: "self", by: h1, proofs: ["last-word"] }));
  expect(decide(records, 0).record).toBeUndefined();
  records.put(keys.fence(h1, incarnation(2)), fence({ cause: "self", by: h1, proofs: ["silence", "last-word"] }));
  expect(decide(records, 0).record).toMatchObject({ counted: 2, at: [0] });
});

test("[HM6] with a limit of 0 nothing is closed", () => {
  const records = cluster("replicated").put(keys.policy, { schema: 1, hostReserveMiB: 0, quarantine: { losses: 0 } });
  for (const n of [1, 2, 3, 4]) lostAt(records, n, 0);
  expect(decide(records, 0).record).toMatchObject({ quarantinedUntil: null });
});
