import { expect, test } from "vitest";
import { host, vmId } from "../../test/support/records.ts";
import type { InstantMs, IntentId, Revision, WallMs } from "../model/ids.ts";
import { emptyView } from "../model/view.ts";
import { startAgent } from "./agent.ts";
import { notePoint, testedPoints } from "./note-points.ts";
import { noteReplica, receiveKey, withReceiving } from "./note-replicas.ts";
import type { AgentState } from "./state.ts";

const web = vmId("web");
const at = { now: 1_000 as InstantMs, wall: 0 as WallMs, view: emptyView() };
const refused = { kind: "refused", code: "proof-under-way", params: {} } as const;

function afterwards(kind: "take-point" | "prove-point", keeps?: string): AgentState["points"] {
  const begun = startAgent(host("h1"), "tcg", at.now);
  const about = { vm: web, ...(keeps === undefined ? {} : { keeps }) };
  const ops = new Map([[1, { kind, runKey: "", about }]]) as unknown as AgentState["ops"];
  const news = kind === "take-point" ? "point-taken" : "point-proven";
  return notePoint({ ...begun, ops }, { kind: news, op: 1, end: refused, ...at } as never).points;
}

test("[S20] a test failover that could not be made puts off the next test, and no point of the VM", () => {
  const { retries, testsFrom } = afterwards("prove-point");
  expect([retries.get(web), testsFrom.get(web)]).toEqual([undefined, expect.any(Number)]);
});

test("[S20] a last moment that could not be kept is tried again soon, because its copy waits for it", () => {
  const soon = afterwards("take-point", "1").retries.get(web) ?? 0;
  const later = afterwards("take-point").retries.get(web) ?? 0;
  expect([soon > at.now, later > soon]).toEqual([true, true]);
});

test("[S20] what was seen while nothing was received says nothing of what lies here once it is received again", () => {
  const begun = startAgent(host("h1"), "tcg", at.now);
  const ops = new Map([
    [1, { kind: "list-points", runKey: web, about: { vm: web, point: "" } }],
    [2, { kind: "receive", runKey: receiveKey(web) }],
  ]) as unknown as AgentState["ops"];
  const points = {
    ...begun.points,
    found: new Map([[web, { points: [], asked: 7 as Revision }]]),
    askAt: new Map([[web, 9_000 as InstantMs]]),
    asked: new Map([[web, 7 as Revision]]),
  };
  const waiting = { epoch: 2, from: host("h2"), incarnation: 1, inCycles: false, doors: null, isAsLeft: false };
  const state = withReceiving({ ...begun, ops, points }, web, { ...waiting, retryAt: at.now } as never);
  const ready = { kind: "ready", doors: [], isAsLeft: false } as const;
  const received = noteReplica(state, { kind: "received", op: 2, end: ready, ...at } as never);
  const late = notePoint(received, { kind: "points-listed", op: 1, points: [], ...at } as never);
  expect([received.points.found.size, late.points.found.size, late.points.askAt.size]).toEqual([0, 0, 0]);
  const looked = noteReplica({ ...received, ops }, { kind: "received", op: 2, end: ready, ...at } as never);
  expect(looked.points).toBe(received.points);
});

test("[S20] a test is not made again before its time where its point is gone by then, and a failure of it is the answer", () => {
  const begun = startAgent(host("h1"), "tcg", at.now);
  const wish = "wish" as IntentId;
  const ops = new Map([
    [1, { kind: "prove-point", runKey: "", about: { vm: web, point: "p1" }, intent: wish }],
  ]) as unknown as AgentState["ops"];
  const view = emptyView();
  const points = { test: { everyMs: 86_400_000, checks: [], limitMs: 1_000 } };
  (view.groups as Map<unknown, unknown>).set("g", { revision: 1, value: { id: "g", vms: [web], points } });
  const proof = {
    point: "p1",
    at: 0,
    tookMs: 5,
    passed: false,
    checks: [{ kind: "boot", passed: false, detail: "late" }],
  };
  const news = { kind: "point-proven", op: 1, end: { kind: "ended", proof }, ...at, view };
  expect([...testedPoints({ ...begun, ops }, web)]).toEqual(["p1"]);
  const after = notePoint({ ...begun, ops }, news as never);
  // Until that is on record it is not thinned out.
  expect([[...testedPoints(after, web)], testedPoints(begun, web).size]).toEqual([["p1"], 0]);
  const noted = after.points;
  expect(noted.testsFrom.get(web)).toBe(at.now + 86_400_000);
  expect(noted.answers.get(wish)).toMatchObject({ kind: "refused", code: "point-test-failed" });
});
