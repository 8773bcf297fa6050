import { expect, test } from "vitest";
import { cluster } from "../../test/support/decision-rig.ts";
import { fence, heartbeat, held, host, incarnation, type Records, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { decidePastLives } from "./decide-past-lives.ts";

const h1 = host("h1");
const counted = (n: number) => ({ schema: 1, counted: n, at: [], quarantinedUntil: null }) as const;

/** h1 lives as 3; its lives 1 and 2 ended by losses that are counted. */
function livesOn(): Records {
  const records = cluster("replicated", null).host("h1", 3).put(keys.hostLosses(h1), counted(2));
  for (const n of [1, 2]) {
    records.put(keys.heartbeat(h1, incarnation(n)), heartbeat());
    records.put(keys.fence(h1, incarnation(n)), fence());
  }
  return records;
}
const removed = (records: Records, room = 64) =>
  decidePastLives(records.view, [], room).map(({ transaction }) => transaction.writes.map(({ key }) => key));

test("[S1] fence and heartbeat of earlier lives go together, oldest first, in the room that there is", () => {
  const both = [
    ["/fence/h1/1/", "/hb/h1/1/"],
    ["/fence/h1/2/", "/hb/h1/2/"],
  ];
  expect(removed(livesOn())).toEqual(both);
  expect(removed(livesOn(), 1)).toEqual(both.slice(0, 1));
  expect(removed(livesOn(), -3)).toEqual([]);
});

test("[S1] the removal rests on the fence and on the registration of the later life", () => {
  const records = livesOn();
  const [first] = decidePastLives(records.view, [], 1);
  expect(first?.transaction.compares).toEqual([
    { kind: "revision", key: keys.host(h1), revision: records.view.hosts.get(h1)?.revision },
    { kind: "revision", key: "/fence/h1/1/", revision: records.view.fences.get(h1)?.get(incarnation(1))?.revision },
  ]);
});

test("[S1] a life that owns a VM keeps its fence, and so does the present one", () => {
  const records = livesOn()
    .put(keys.owner(vmId("web")), held("h1", 2, 7))
    .put(keys.fence(h1, incarnation(3)), fence());
  expect(removed(records)).toEqual([["/fence/h1/1/", "/hb/h1/1/"]]);
});

test("[S9] a fence on which a device may be at work is kept until the device has said its word, or never will", () => {
  const begun = livesOn().put(keys.fence(h1, incarnation(1)), fence({ device: "begun", proofs: [] }));
  expect(removed(begun)).toEqual([["/fence/h1/2/", "/hb/h1/2/"]]);
  const over = livesOn().put(keys.fence(h1, incarnation(1)), fence({ device: "abandoned", proofs: [] }));
  expect(removed(over)).toHaveLength(2);
});

test("[HM6] a loss is counted before its fence goes; a life that ended in order is none", () => {
  const records = livesOn().put(keys.hostLosses(h1), counted(1));
  expect(removed(records)).toEqual([["/fence/h1/1/", "/hb/h1/1/"]]);
  records.put(keys.fence(h1, incarnation(2)), fence({ cause: "self", by: h1, proofs: ["last-word"] }));
  expect(removed(records)).toHaveLength(2);
});
