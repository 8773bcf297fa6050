import { expect, test } from "vitest";
import { cluster, judge, knowledge, none, written } from "../../test/support/decision-rig.ts";
import {
  epoch,
  fence,
  heartbeat,
  host,
  incarnation,
  move,
  type Records,
  status,
  vmId,
} from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { type Owner, systemActor } from "../model/records.ts";
import { decideFences, decideOrders } from "./decide-fences.ts";
import { decideVms } from "./decide-vms.ts";

const web = vmId("web");
const disarm = { schema: 1, mode: "freeze", by: systemActor, at: 0 };
const disarmed = (records: Records): Records => records.put(keys.disarm, disarm);
const decide = (records: Records) => decideVms(records.view, knowledge(records), [], none);
const free: Owner = { schema: 1, kind: "released", host: host("h1"), epoch: epoch(4), failed: null, failedHosts: [] };

test("[HM5] a silent host is not fenced, nor is one fenced by order", () => {
  const silent = disarmed(cluster("replicated"));
  const nothing = { decisions: [], notices: [], wakeAt: undefined };
  expect(decideFences(silent.view, knowledge(silent, { h1: 60_000 }), judge)).toEqual(nothing);
  const gone = disarmed(cluster("replicated"))
    .put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ agentAgeMs: 600_000 }))
    .put(keys.vmStatus(web), status("h1", 1, 4, "failed"));
  expect(decideOrders(gone.view, knowledge(gone), judge.own, [])).toEqual(nothing);
});

test("[HM5] a fence compares that the cluster is armed", () => {
  const records = cluster("replicated");
  const decided = decideFences(records.view, knowledge(records, { h1: 6_000 }), judge);
  expect(decided.decisions[0]?.transaction.compares).toContainEqual({ kind: "absent", key: keys.disarm });
});

test("[HM5] what is free does not start, and what runs does not leave", () => {
  expect(decide(disarmed(cluster("replicated", free))).decisions).toEqual([]);
  const maintained = disarmed(cluster("replicated")).put(keys.vmStatus(web), status("h1", 1, 4, "running"));
  maintained.put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
  expect(decide(maintained).decisions).toEqual([]);
});

test("[HM5] a move and a recovery that had begun are ended, each compared with the disarm that was read", () => {
  const moving = disarmed(cluster("replicated", free)).put(keys.vmMove(web), move("web", "h1", "h3"));
  const decided = decide(moving);
  expect(written(decided, keys.owner(web))).toMatchObject({ host: "h3", epoch: 5 });
  const revision = moving.view.disarm?.revision;
  const compare = { kind: "revision", key: keys.disarm, revision };
  expect(decided.decisions[0]?.transaction.compares).toContainEqual(compare);
  const lost = disarmed(cluster("replicated")).put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(written(decide(lost), keys.owner(web))).toMatchObject({ host: "h2", epoch: 5 });
});

test("[HM5] a host that came back meanwhile ended its own earlier life: its VMs wait until the cluster is armed", () => {
  const back = disarmed(cluster("replicated")).put(
    keys.fence(host("h1"), incarnation(1)),
    fence({ cause: "self", by: host("h1"), proofs: ["silence", "last-word"] }),
  );
  expect(decide(back).decisions).toEqual([]);
});
