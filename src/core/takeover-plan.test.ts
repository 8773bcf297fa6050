import { expect, test } from "vitest";
import { heartbeat, host } from "../../test/support/records.ts";
import { ReplicaCluster, run, there, web } from "../../test/support/replicas.ts";
import { must } from "../base/assert.ts";
import type { HostId, Incarnation, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type TakeoverPlan, takeoverPlanSchema } from "../model/takeover-plan.ts";
import { fenceOf } from "../model/view.ts";
import type { OffProof } from "./takeover.ts";
import { heardSince, isWritten, planTakeover, stepsOf, takeoverBy, whyNotFinished } from "./takeover-plan.ts";
import { remove } from "./transactions.ts";

const at = 70 as WallMs;
const lost = run.host;
const answering = new Map([[lost, "10.0.0.1"]]);
const nobody: ReadonlyMap<HostId, string> = new Map();

/** Of two hosts; `lost` beats as its present life. */
function clusterOfTwo(): ReplicaCluster {
  const cluster = new ReplicaCluster().put(keys.cluster, { schema: 1, id: "c", name: "c", format: 1, createdAt: 0 });
  cluster.commit({ kind: "commit", transaction: { compares: [], writes: [remove(keys.member(host("h3")))] } });
  return beat(cluster);
}

function beat(cluster: ReplicaCluster): ReplicaCluster {
  return cluster.put(keys.heartbeat(lost, run.incarnation), heartbeat());
}

function nextLife(cluster: ReplicaCluster): void {
  const registration = must(cluster.view.hosts.get(lost), "a registration").value;
  cluster.put(keys.host(lost), { ...registration, incarnation: (registration.incarnation + 1) as Incarnation });
}

const planned = ({ view }: ReplicaCluster, proof: OffProof) =>
  planTakeover(view, { lost: new Map([[lost, proof]]), at, byItself: false });

test("[S24] what is noted before the store is forced says who was lost in which life, and is read back as it was", () => {
  const cluster = clusterOfTwo();
  const plan = planned(cluster, "word");
  const [one] = plan.lost;
  expect(one).toMatchObject({ host: lost, proof: "word", incarnation: run.incarnation });
  expect(one?.beat).toBeGreaterThan(0);
  expect(takeoverPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  expect(takeoverBy(there, plan)).toMatchObject({ self: there, at, lives: new Map([[lost, run.incarnation]]) });
});

test.each(["word", "power-off"] as const)(
  "[S24] the rest of it is written although a later life is up: %s",
  (proof) => {
    const cluster = clusterOfTwo();
    const plan = planned(cluster, proof);
    expect(whyNotFinished(cluster.view, plan, nobody)).toBeUndefined();
    nextLife(cluster);
    expect(whyNotFinished(cluster.view, plan, answering)).toBeUndefined();
  },
);

test("[S23] nobody is ended who is heard since as the same life, or answers as it and only a word was given", () => {
  const cluster = clusterOfTwo();
  const [byWord, byDevice] = [planned(cluster, "word"), planned(cluster, "power-off")];
  const untrue = { kind: "refused", code: "takeover-word-untrue", params: { host: "h1", address: "10.0.0.1" } };
  const heard = { kind: "refused", code: "takeover-heard-since", params: { host: "h1" } };
  expect(whyNotFinished(cluster.view, byWord, answering)).toMatchObject(untrue);
  expect(whyNotFinished(cluster.view, byDevice, answering)).toBeUndefined();
  beat(cluster);
  for (const plan of [byWord, byDevice]) {
    expect(whyNotFinished(cluster.view, plan, nobody)).toMatchObject(heard);
    expect(stepsOf(cluster.view, there, plan, (view) => heardSince(view, plan))).toMatchObject(heard);
  }
});

test("[S9] who is heard after the look at it is not ended, and its VMs keep their number: the store refuses what was made before", () => {
  const steps = ({ view }: ReplicaCluster, plan: TakeoverPlan) => {
    const made = stepsOf(view, there, plan, (now) => heardSince(now, plan));
    return "kind" in made ? [] : made.filter(({ subject }) => subject === lost || subject === web);
  };
  const cluster = clusterOfTwo();
  const made = steps(cluster, planned(cluster, "word"));
  expect(made.map(({ subject }) => subject)).toEqual([web, lost]);
  beat(cluster);
  expect(made.map((step) => cluster.commit({ kind: "commit", ...step }))).toEqual([false, false]);
  const silent = clusterOfTwo();
  const ends = steps(silent, planned(silent, "word")).map((step) => silent.commit({ kind: "commit", ...step }));
  expect(ends).toEqual([true, true]);
  expect(fenceOf(silent.view, lost, run.incarnation)?.value.proofs).toEqual(["word"]);
});

test("[S24] of more than two hosts a person has to look, and so where somebody has ordered it anew", () => {
  const cluster = clusterOfTwo();
  const plan = planned(cluster, "power-off");
  const record = must(cluster.view.cluster, "a cluster").value;
  cluster.put(keys.cluster, { ...record, forced: { by: there, without: [lost], at: at + 1, open: true } });
  expect(whyNotFinished(cluster.view, plan, nobody)).toMatchObject({ code: "takeover-ordered-later" });
  const many = new ReplicaCluster();
  expect(whyNotFinished(many.view, planned(many, "power-off"), nobody)).toMatchObject({ code: "takeover-left-to-you" });
});

test("[S24] it is written once its own record is closed, and not by that of an earlier one", () => {
  const cluster = clusterOfTwo();
  const plan = planned(cluster, "power-off");
  const record = must(cluster.view.cluster, "a cluster").value;
  const forced = (more: object) =>
    cluster.put(keys.cluster, { ...record, forced: { by: there, without: [lost], at, ...more } });
  expect(isWritten(cluster.view, plan)).toBe(false);
  expect(isWritten(forced({ open: true }).view, plan)).toBe(false);
  expect(isWritten(forced({ at: 1 }).view, plan)).toBe(false);
  expect(isWritten(forced({}).view, plan)).toBe(true);
});
