import { expect, test } from "vitest";
import { cluster, judge, knowledge, now } from "../../test/support/decision-rig.ts";
import { fence, host, incarnation, type Records } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { lostHosts } from "./lost-hosts.ts";

function lost(records: Records, silentMs: Record<string, number>, own = judge.own): string[] {
  const { contacts, self, ownWaitMs } = knowledge(records, silentMs);
  return [...lostHosts(records.view, { self, now, contacts, own, startedAt: judge.startedAt, ownWaitMs })];
}

test("[S8] a host counts as lost once a fence of it would be due, whatever the use of one", () => {
  expect(lost(cluster("replicated"), { h1: 4_000 })).toEqual([]);
  expect(lost(cluster("replicated"), { h1: 10_000 })).toEqual(["h1"]);
});

test("[S8] not while this process may itself be the one that is cut off", () => {
  const gap = { ...judge.own, lastAt: (now - 5_000) as typeof now };
  expect(lost(cluster("replicated"), { h1: 10_000 }, gap)).toEqual([]);
  const grace = { ...judge.own, graceUntil: (now + 1_000) as typeof now };
  expect(lost(cluster("replicated"), { h1: 10_000 }, grace)).toEqual([]);
});

test("[S9] one that is fenced is lost, until its next life is heard; this host itself never is", () => {
  const fenced = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(lost(fenced, {})).toEqual(["h1"]);
  expect(lost(fenced.host("h1", 2), {})).toEqual([]);
  expect(lost(cluster("replicated"), { h2: 10_000 })).toEqual([]);
});
