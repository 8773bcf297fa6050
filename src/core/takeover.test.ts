import { describe, expect, test } from "vitest";
import { fence, held, host } from "../../test/support/records.ts";
import { ReplicaCluster, replica, run, there, volumes, web } from "../../test/support/replicas.ts";
import { must } from "../base/assert.ts";
import type { HostId, Incarnation, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ReplicaState } from "../model/replication-records.ts";
import { fenceOf } from "../model/view.ts";
import { proveGone } from "./fencing.ts";
import { lastToKeep } from "./last-moments.ts";
import { promoteCopies } from "./replication-promotion.ts";
import { startsUnsaid, usability, usabilityOnceLost, wholeCopies } from "./replication-usable.ts";
import {
  foreseeTakeover,
  isHalfTakenOver,
  isToRejoin,
  leftUnfenced,
  type OffProof,
  othersOf,
  rejoinedTransaction,
  takeoverSteps,
  wordFor,
} from "./takeover.ts";
import { planTakeover, takeoverBy } from "./takeover-plan.ts";
import { remove } from "./transactions.ts";

const at = 70 as WallMs;
const lost = run.host;
const stale: ReplicaState = { kind: "stale", cause: "silent", whole: true, at: 50 as WallMs };

/** Of two hosts, h1 and h2. */
function clusterWith(state: ReplicaState): ReplicaCluster {
  const cluster = clusterOfThree(state);
  const gone = { compares: [], writes: [remove(keys.member(host("h3")))] };
  expect(cluster.commit({ kind: "commit", transaction: gone })).toBe(true);
  return cluster;
}

function clusterOfThree(state: ReplicaState): ReplicaCluster {
  const record = { schema: 1, id: "c", name: "c", format: 1, createdAt: 0 };
  return new ReplicaCluster().put(keys.cluster, record).copies(state);
}

function onLocalDisks(cluster: ReplicaCluster): ReplicaCluster {
  const { value } = must([...cluster.view.pools.values()][0], "a pool");
  return cluster.put(keys.pool(value.id), { ...value, kind: "local-dir" });
}

function takeOver(cluster: ReplicaCluster, proof: OffProof = "word", hosts: readonly HostId[] = [lost]): void {
  const proofs = new Map(hosts.map((name) => [name, proof]));
  const done = new Set<string>();
  // As the daemon does: what was made on what is gone is made anew.
  for (let round = 0; round < 3; round++)
    for (const { subject, transaction } of takeoverSteps(cluster.view, { self: there, lost: proofs, at })) {
      if (done.has(subject)) continue;
      if (!cluster.commit({ kind: "commit", transaction })) break;
      done.add(subject);
    }
  expect(done.has("finished")).toBe(true);
}

const livesOf = ({ view }: ReplicaCluster) =>
  takeoverBy(there, planTakeover(view, { lost: new Map([[lost, "power-off"]]), at, byItself: false })).lives;
const epochOf = (cluster: ReplicaCluster) => cluster.view.owners.get(web)?.value.epoch;

describe("a takeover", () => {
  test.each(["word", "power-off"] as const)("[S23] fences the lost host with its proof: %s", (proof) => {
    const cluster = clusterWith({ kind: "in-sync" });
    takeOver(cluster, proof);
    expect(fenceOf(cluster.view, lost, run.incarnation)?.value).toMatchObject({ by: there, proofs: [proof] });
    const pools = [...cluster.view.pools.values()].map(({ value }) => value);
    expect(proveGone(cluster.view, lost, run.incarnation, pools)?.by).toBe(proof);
    expect(cluster.view.cluster?.value.forced).toMatchObject({ by: there, without: [lost] });
  });

  test("[S24] the leaps come before the fence that lets managers start what was lost", () => {
    const { view } = clusterWith({ kind: "in-sync" });
    const steps = takeoverSteps(view, { self: there, lost: new Map([[lost, "word"]]), at });
    expect(steps.map(({ subject }) => subject)).toEqual(["cluster", web, lost, "finished"]);
  });

  test("[S24] is half written until its last step, which no other one comes after", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    const steps = takeoverSteps(cluster.view, { self: there, lost: new Map([[lost, "word"]]), at });
    for (const { subject, transaction } of steps)
      expect([subject, cluster.commit({ kind: "commit", transaction })]).toEqual([subject, subject !== "finished"]);
    expect([isHalfTakenOver(cluster.view), leftUnfenced(cluster.view, there)]).toEqual([true, [lost]]);
    takeOver(cluster);
    expect([isHalfTakenOver(cluster.view), leftUnfenced(cluster.view, there)]).toEqual([false, []]);
  });

  test("[S1, S9] whoever is back as a later life meanwhile is not ended by the proof of the one before", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    const lives = livesOf(cluster);
    const registration = must(cluster.view.hosts.get(lost), "a registration").value;
    const incarnation = (registration.incarnation + 1) as Incarnation;
    cluster.put(keys.fence(lost, registration.incarnation), fence({ cause: "self", proofs: ["last-word"] }));
    cluster.put(keys.host(lost), { ...registration, incarnation });
    const steps = takeoverSteps(cluster.view, { self: there, lost: new Map([[lost, "power-off"]]), lives, at });
    expect(steps.map(({ subject }) => subject)).not.toContain(lost);
    const unknown = takeoverSteps(cluster.view, { self: there, lost: new Map([[lost, "power-off"]]), at });
    expect(unknown.map(({ subject }) => subject)).toContain(lost);
  });

  test("[S24] of two, what a later life has claimed meanwhile does not leap", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    const proven = new Map([[lost, "power-off" as const]]);
    const takeover = { self: there, lost: proven, lives: livesOf(cluster), at };
    const subjects = () => takeoverSteps(cluster.view, takeover).map(({ subject }) => subject);
    expect(subjects()).toContain(web);
    const owner = must(cluster.view.owners.get(web), "an owner").value;
    cluster.put(keys.owner(web), { ...owner, incarnation: (run.incarnation + 1) as Incarnation });
    expect(subjects()).not.toContain(web);
  });

  test("[S23] adds its proof to a fence that stands already", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    cluster.put(keys.fence(lost, run.incarnation), fence({ proofs: ["silence"] }));
    takeOver(cluster);
    expect(fenceOf(cluster.view, lost, run.incarnation)?.value.proofs).toEqual(["silence", "word"]);
  });

  test("[S21, S24] leaps over every epoch that the lost host may have used, and takes along what is in sync here", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    takeOver(cluster);
    expect(epochOf(cluster)).toBe(run.epoch + 100);
    expect(wholeCopies(cluster.view, web)).toEqual([there]);
  });

  test.each<readonly [string, ReplicaState, string]>([
    ["stale", stale, "unknown"],
    ["half copied", { kind: "copying" }, "copying"],
  ])("[S21] of a copy that was %s nothing is known after it, or it is of no use: it is not taken", (_, state, then) => {
    const cluster = clusterWith(state);
    takeOver(cluster);
    expect(cluster.stateOf("h2")).toBe(then);
    expect(wholeCopies(cluster.view, web)).toEqual([]);
  });

  test("[S21] one disk that is not in sync keeps all of them from being taken", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    cluster.put(keys.replica(web, "web-1" as VolumeId, there), replica("web-1" as VolumeId, stale));
    takeOver(cluster);
    expect(volumes.map((volume) => cluster.stateOf("h2", volume))).toEqual(["unknown", "unknown"]);
    expect(usability(cluster.view, web, there).kind).toBe("lossy");
  });

  test("[S21] a copy of an earlier run is not made one of this run by the leap", () => {
    const cluster = clusterWith({ kind: "in-sync" }).put(keys.owner(web), held("h1", 3, 5));
    takeOver(cluster);
    expect(cluster.stateOf("h2")).toBe("unknown");
    expect(wholeCopies(cluster.view, web)).toEqual([]);
  });

  test("[S21] copies on other hosts count for nothing: they were not asked", () => {
    const cluster = clusterOfThree({ kind: "in-sync" });
    const there3 = replica("web-0" as VolumeId, { kind: "in-sync" }, { host: host("h3") });
    cluster.put(keys.replica(web, "web-0" as VolumeId, host("h3")), there3);
    takeOver(cluster, "word", [lost, host("h3")]);
    expect(cluster.stateOf("h3")).toBe("unknown");
    expect(wholeCopies(cluster.view, web)).toEqual([]);
  });

  test("[S21, S24] of more than two nothing is known of copies here either: the others may have recorded that they lack something", () => {
    const cluster = onLocalDisks(clusterOfThree({ kind: "in-sync" }));
    const all = [lost, host("h3")];
    expect(foreseeTakeover(cluster.view, there, all)).toMatchObject([
      { name: "web", why: { code: "replica-unknown" } },
    ]);
    takeOver(cluster, "word", all);
    expect(cluster.stateOf("h2")).toBe("unknown");
    expect(usability(cluster.view, web, there)).toMatchObject({ kind: "lossy", code: "replica-unknown" });
  });

  test("[S24] copies of the survivor's own VMs may have been gone on from elsewhere: each is kept as a branch first", () => {
    const cluster = clusterOfThree({ kind: "in-sync" }).put(keys.owner(web), held("h2", 7, 4));
    for (const volume of volumes) {
      const there3 = replica(volume, { kind: "in-sync" }, { host: host("h3") });
      cluster.put(keys.replica(web, volume, host("h3")), there3);
    }
    takeOver(cluster, "word", [lost, host("h3")]);
    expect(epochOf(cluster)).toBe(4);
    expect(lastToKeep(cluster.view, web, host("h3"))).toMatchObject({ origin: "branch-kept" });
    const again = takeoverSteps(cluster.view, { self: there, lost: new Map([[lost, "word"]]), at });
    expect(again.map(({ subject }) => subject)).toEqual(["cluster", lost, "finished"]);
  });

  test.each([true, false])(
    "[S18, S24] what a lost host wrote without this store is kept: taken over: %s",
    (isForced) => {
      const cluster = clusterWith({ kind: "in-sync" });
      if (isForced) takeOver(cluster);
      const part = promoteCopies(cluster.view, web, there, { at });
      if (part.kind === "refused") throw new Error(part.code);
      expect(cluster.commit({ kind: "commit", transaction: part })).toBe(true);
      const { state } = must(cluster.view.replicas.get(keys.replica(web, "web-0" as VolumeId, lost)), "a record").value;
      expect(state).toEqual({ kind: "diverged", at, kept: isForced });
    },
  );

  test("[S23] takes by a person's order what only the lost host could vouch for, and never by itself", () => {
    const byHost = clusterWith({ kind: "in-sync", byHost: true });
    expect(foreseeTakeover(byHost.view, there, [lost])).toMatchObject([
      { why: null, loss: { code: "takeover-may-lack" } },
    ]);
    const recorded = clusterWith({ kind: "in-sync" });
    expect(foreseeTakeover(recorded.view, there, [lost])).toMatchObject([{ why: null, loss: null }]);
    takeOver(byHost);
    expect([wholeCopies(byHost.view, web), startsUnsaid(byHost.view, web, there)]).toEqual([[there], true]);
    // Also where the order is given anew, which says it before; of what both had agreed to, everything is known.
    expect(foreseeTakeover(byHost.view, there, [lost])).toMatchObject([
      { why: null, loss: { code: "takeover-may-lack" } },
    ]);
    expect(usabilityOnceLost(byHost.view, web, there)).toEqual({ kind: "lossy", code: "replica-by-host", since: null });
    takeOver(byHost);
    expect([epochOf(byHost), startsUnsaid(byHost.view, web, there)]).toEqual([run.epoch + 200, true]);
    takeOver(recorded);
    expect([wholeCopies(recorded.view, web), startsUnsaid(recorded.view, web, there)]).toEqual([[there], false]);
    const byItself = clusterWith({ kind: "in-sync", byHost: true });
    const steps = takeoverSteps(byItself.view, {
      self: there,
      lost: new Map([[lost, "power-off"]]),
      at,
      byItself: true,
    });
    for (const { transaction } of steps) byItself.commit({ kind: "commit", transaction });
    expect([byItself.stateOf("h2"), wholeCopies(byItself.view, web)]).toEqual(["unknown", []]);
  });

  test("[S23] does not take it either once that host is up again as a later life: its own disks have everything", () => {
    const takeOverLate = (cluster: ReplicaCluster, life: number) => {
      cluster.register(lost, life);
      const order = {
        self: there,
        lost: new Map([[lost, "word" as const]]),
        lives: new Map([[lost, run.incarnation]]),
        at,
      };
      const steps = takeoverSteps(cluster.view, order);
      for (const { transaction } of steps) cluster.commit({ kind: "commit", transaction });
      return cluster.stateOf("h2");
    };
    expect(takeOverLate(clusterWith({ kind: "in-sync", byHost: true }), 3)).toBe("in-sync");
    expect(takeOverLate(clusterWith({ kind: "in-sync", byHost: true }), 4)).toBe("unknown");
    expect(takeOverLate(clusterWith({ kind: "in-sync" }), 4)).toBe("in-sync");
    // It registers right after the look: what was made before is made anew.
    const meanwhile = clusterWith({ kind: "in-sync", byHost: true });
    const order = {
      self: there,
      lost: new Map([[lost, "word" as const]]),
      lives: new Map([[lost, run.incarnation]]),
      at,
    };
    const [, leap] = takeoverSteps(meanwhile.view, order);
    meanwhile.register(lost, 4);
    expect(leap === undefined || meanwhile.commit({ kind: "commit", ...leap })).toBe(false);
  });

  test("[S23] leaves the survivor's own VMs alone", () => {
    const cluster = clusterWith({ kind: "in-sync" }).put(keys.owner(web), held("h2", 7, 4));
    const before = cluster.view.owners.get(web)?.revision;
    takeOver(cluster);
    expect(cluster.view.owners.get(web)?.revision).toBe(before);
    expect(foreseeTakeover(cluster.view, there, [lost])).toEqual([]);
  });
});

test("[S23] what would start, and why something would not, is said before", () => {
  expect(foreseeTakeover(clusterWith({ kind: "in-sync" }).view, there, [lost])).toMatchObject([
    { name: "web", why: null },
  ]);
  const cluster = onLocalDisks(clusterWith(stale));
  expect(foreseeTakeover(cluster.view, there, [lost])).toMatchObject([{ name: "web", why: { code: "replica-stale" } }]);
});

test("[S23, S24] the claim has to fit the cluster, and the word names whom it is about", () => {
  const { view } = clusterOfThree({ kind: "in-sync" });
  expect(othersOf(view, there, "others-are-off")).toEqual([host("h1"), host("h3")]);
  expect(othersOf(view, there, "peer-is-off")).toMatchObject({ code: "takeover-not-two", params: { members: 3 } });
  expect(wordFor(["h1", "h3"])).toBe("h1-and-h3-off");
});

describe("the way back", () => {
  test("[S23] not before the host is heard there as a later incarnation", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    expect(isToRejoin(cluster.view, lost, "host")).toBe(false);
    const beat = { schema: 1, seq: 1, deadlineMs: 1, marginMs: 1, agentAgeMs: 0, frozen: false, poolAgeMs: null };
    cluster.put(keys.heartbeat(lost, run.incarnation), beat);
    takeOver(cluster);
    expect(isToRejoin(cluster.view, lost, "host")).toBe(false);
    cluster.register(lost, run.incarnation + 1);
    expect(isToRejoin(cluster.view, lost, "host")).toBe(false);
    cluster.put(keys.heartbeat(lost, (run.incarnation + 1) as typeof run.incarnation), beat);
    expect(isToRejoin(cluster.view, lost, "host")).toBe(true);
    expect(isToRejoin(cluster.view, there, "host")).toBe(false);
  });

  test("[S23] is said once", () => {
    const cluster = clusterWith({ kind: "in-sync" });
    takeOver(cluster);
    const transaction = must(rejoinedTransaction(cluster.view, lost), "a transaction");
    expect(cluster.commit({ kind: "commit", transaction })).toBe(true);
    expect(rejoinedTransaction(cluster.view, lost)).toBeUndefined();
    expect(cluster.view.cluster?.value.forced?.without).toEqual([]);
  });
});
