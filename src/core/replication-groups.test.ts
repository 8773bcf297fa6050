import { expect, test } from "vitest";
import { facts, held, host, incarnation, status } from "../../test/support/records.ts";
import { ReplicaCluster, run, there, web } from "../../test/support/replicas.ts";
import type { GroupId, HostId, PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Group, ReplicaState } from "../model/replication-records.ts";
import { groupState } from "./replication-groups.ts";

const group: Group = {
  schema: 1,
  name: "office" as GroupId,
  vms: [web],
  source: host("h1"),
  target: there,
  mode: { kind: "synchronous", boundMs: 2_000 },
  points: null,
  paused: [],
  createdAt: 0 as WallMs,
};
const heard = (): boolean => true;
const wordOf = (cluster: ReplicaCluster, of = group, isHeard: (id: HostId) => boolean = heard) => {
  const { word, reasons } = groupState(cluster.view, of, isHeard, 100_000 as WallMs);
  return [word, ...reasons.map(({ code }) => code)];
};

test("one word, and why", () => {
  expect(wordOf(new ReplicaCluster())).toEqual(["Error", "group-vm-unprotected"]);
  expect(wordOf(new ReplicaCluster().copies({ kind: "copying" }))).toEqual(["Synchronizing", "group-vm-copying"]);
  expect(wordOf(new ReplicaCluster().copies({ kind: "in-sync" }))).toEqual(["Normal"]);
  const stale = { kind: "stale", cause: "silent", whole: true, at: 0 as WallMs } as const;
  expect(wordOf(new ReplicaCluster().copies(stale))).toEqual(["Warning", "group-vm-stale"]);
  expect(wordOf(new ReplicaCluster().copies({ kind: "unknown" }))).toEqual(["Error", "group-vm-unusable"]);
});

test("a VM that was put under protection a moment ago is about to be copied, where nothing is known to be in the way", () => {
  const running = () =>
    new ReplicaCluster().put(keys.vmStatus(web), status(run.host, run.incarnation, run.epoch, "running"));
  const young: Group = { ...group, createdAt: 95_000 as WallMs };
  expect(wordOf(running(), young)).toEqual(["Synchronizing", "group-vm-begins"]);
  expect(wordOf(running(), { ...group, grewAt: 95_000 as WallMs })).toEqual(["Synchronizing", "group-vm-begins"]);
  expect(wordOf(running())).toEqual(["Error", "group-vm-unprotected"]);
  expect(wordOf(new ReplicaCluster(), young), "it does not run").toEqual(["Error", "group-vm-unprotected"]);
  expect(wordOf(running(), young, (id) => id !== there)[0]).toBe("Error");
  const refusing = running().put(keys.hostFacts(there), {
    ...facts({ incarnation: incarnation(7) }),
    copiesRefused: [{ vm: web, code: "pool-full", params: { pool: "local", vm: web } }],
  });
  expect(wordOf(refusing, young)[0]).toBe("Error");
});

test("a VM that runs without its copy says so in the same words, whichever of its hosts was lost", () => {
  const runs = (state: ReplicaState) =>
    wordOf(
      new ReplicaCluster()
        .copies(state)
        .put(keys.vmStatus(web), status(run.host, run.incarnation, run.epoch, "running")),
    );
  const at = 0 as WallMs;
  expect(runs({ kind: "diverged", at, kept: false })).toEqual(["Warning", "group-vm-stale"]);
  expect(runs({ kind: "stale", cause: "silent", whole: true, at })).toEqual(["Warning", "group-vm-stale"]);
  // From one that was never complete it would start nowhere.
  expect(runs({ kind: "stale", cause: "silent", whole: false, at })).toEqual(["Error", "group-vm-incomplete"]);
});

test("[S21] where the host of the copies does not take them its own word says why, as long as it lives", () => {
  const says = (cluster: ReplicaCluster, life: number) =>
    cluster.put(keys.hostFacts(there), {
      ...facts({ incarnation: incarnation(life) }),
      copiesRefused: [{ vm: web, code: "pool-full", params: { pool: "local", vm: web } }],
    });
  const stale = { kind: "stale", cause: "silent", whole: true, at: 0 as WallMs } as const;
  const why = ["copies-not-received", "pool-full"];
  expect(wordOf(says(new ReplicaCluster(), 7))).toEqual(["Error", "group-vm-unprotected", ...why]);
  expect(wordOf(says(new ReplicaCluster().copies({ kind: "copying" }), 7))).toEqual(["Error", ...why]);
  expect(wordOf(says(new ReplicaCluster().copies(stale), 7))).toEqual(["Warning", "group-vm-stale", ...why]);
  expect(wordOf(says(new ReplicaCluster().copies({ kind: "in-sync" }), 7))).toEqual(["Normal"]);
  expect(wordOf(says(new ReplicaCluster().copies(stale), 6))).toEqual(["Warning", "group-vm-stale"]);
  const unsent = new ReplicaCluster().copies({ kind: "copying" }).put(keys.hostFacts(host("h1")), {
    ...facts({ incarnation: incarnation(3) }),
    copiesRefused: [{ vm: web, code: "replica-no-certificate", params: { vm: web } }],
  });
  expect(wordOf(unsent)).toEqual(["Error", "copies-not-sent", "replica-no-certificate"]);
  const { reasons } = groupState(says(new ReplicaCluster(), 7).view, group, heard, 100_000 as WallMs);
  expect(reasons.map(({ params }) => params["vm"])).toEqual(["web", "web", "web"]);
});

test("[S18] of a branch that nobody else has: it is being kept; or what room a copy beside it lacks, as long as it is there", () => {
  const cluster = new ReplicaCluster().copies({ kind: "diverged", at: 7 as WallMs, kept: true });
  const pools = [{ pool: "local" as PoolId, capacityMiB: 100, freeMiB: 7, unfit: null }];
  cluster.put(keys.hostFacts(there), { ...facts({ pools, incarnation: incarnation(7) }) });
  expect(wordOf(cluster)).toEqual(["Error", "group-vm-branch"]);
  const branch = { schema: 1, vm: web, id: "b4-7", host: there, at: 7, origin: "branch-kept", consistency: "crash" };
  cluster.put(keys.point(web, "b4-7"), { ...branch, sizeMiB: null, proof: null });
  const { reasons } = groupState(cluster.view, group, heard, 100_000 as WallMs);
  expect(reasons.map(({ code, params }) => [code, params["neededMiB"], params["freeMiB"]])).toContainEqual([
    ...["group-vm-branch-no-room", 8, 7],
  ]);
});

test("the gravest is shown, with its reasons alone", () => {
  const cluster = new ReplicaCluster().copies({ kind: "copying" });
  const isHere = (id: HostId): boolean => id !== there;
  expect(wordOf(cluster, group, isHere)).toEqual(["Warning", "group-target-silent"]);
  expect(wordOf(cluster, { ...group, paused: ["asked"] }, isHere)).toEqual(["Paused", "group-paused"]);
  expect(wordOf(cluster, { ...group, vms: ["vm:none" as never], paused: ["asked"] })).toEqual([
    "Error",
    "group-vm-gone",
  ]);
});

test("hosts with different versions pause it, and it goes on by itself once they are equal", () => {
  const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
  const version = (name: string, n: number, of: string) =>
    cluster.put(keys.hostFacts(host(name)), facts({ incarnation: incarnation(n), versions: { holdfast: of } }));
  version("h1", 3, "2").put(keys.cluster, {});
  expect(wordOf(cluster)).toEqual(["Paused", "group-versions-differ"]);
  version("h2", 7, "2");
  expect(wordOf(cluster)).toEqual(["Normal"]);
});

test("a link that is too late or too slow, and a host that is too full, are warned of once each", () => {
  const seen = (latencyMs: number | null, mibPerSecond: number | null, epoch = 4) =>
    new ReplicaCluster().copies({ kind: "in-sync" }).put(keys.vmCopying(web), {
      ...{ schema: 1, epoch, to: there, percent: 100, mibPerSecond: 0, remainingMiB: 0, at: 0 },
      link: { latencyMs, mibPerSecond },
    });
  expect(wordOf(seen(0.9, 6))).toEqual(["Normal"]);
  expect(wordOf(seen(null, null))).toEqual(["Normal"]);
  expect(wordOf(seen(1.2, null))).toEqual(["Warning", "group-link-late"]);
  expect(wordOf(seen(1.2, 5.9), { ...group, vms: [web, web] })).toEqual([
    "Warning",
    "group-link-late",
    "group-link-slow",
  ]);
  // Of an earlier run it says nothing.
  expect(wordOf(seen(1.2, 5.9, 3))).toEqual(["Normal"]);
});

test("a host that could not start them all beside what it runs is warned of, with what is missing", () => {
  const cluster = new ReplicaCluster().copies({ kind: "in-sync" }).put(keys.group(group.name), group);
  const { memoryMiB } = cluster.view.vms.get(web)?.value.spec ?? { memoryMiB: 0 };
  const there2 = (memoryForVmsMiB: number) =>
    cluster.put(keys.hostFacts(there), facts({ incarnation: incarnation(7), memoryForVmsMiB }));
  const here = facts({ incarnation: incarnation(3) });
  cluster.put(keys.hostFacts(host("h1")), here);
  there2(memoryMiB);
  expect(wordOf(cluster)).toEqual(["Normal"]);
  there2(memoryMiB - 1);
  expect(groupState(cluster.view, group, heard, 0 as WallMs)).toMatchObject({
    word: "Warning",
    reasons: [{ code: "group-target-full", params: { neededMiB: memoryMiB, freeMiB: memoryMiB - 1 } }],
  });
});

test("after a failover the copy at the old source is what counts", () => {
  const cluster = new ReplicaCluster().put(keys.owner(web), held("h2", 7, 5));
  expect(wordOf(cluster)).toEqual(["Error", "group-vm-unprotected"]);
  cluster.copies({ kind: "in-sync" }, { epoch: 5 as never });
  expect(wordOf(cluster)).toEqual(["Error", "group-vm-unprotected"]);
});

test("of a VM on neither host of its group nothing counts that they say of it", () => {
  const cluster = new ReplicaCluster().copies({ kind: "in-sync" }).put(keys.owner(web), held("h3", 1, 4));
  cluster.put(keys.hostFacts(there), {
    ...facts({ incarnation: incarnation(7) }),
    copiesRefused: [{ vm: web, code: "pool-full", params: { pool: "local", vm: web } }],
  });
  expect(wordOf(cluster)).toEqual(["Error", "group-vm-unprotected"]);
});

test("[S25] in cycles: a copy that lags for more than two intervals, and a VM that waits for an order", () => {
  const cycles: Group = { ...group, mode: { kind: "asynchronous", everyS: 5, lossS: null } };
  const sealedAt = (at: number) =>
    new ReplicaCluster()
      .copies({ kind: "sealed", chain: "ffffff012345", sequence: 1, at: at as WallMs, point: "p1" })
      .put(keys.group(group.name), cycles);
  expect(wordOf(sealedAt(91_000), cycles)).toEqual(["Normal"]);
  expect(wordOf(sealedAt(89_000), cycles)).toEqual(["Warning", "group-vm-lags"]);
  const isSilent = (id: HostId): boolean => id !== host("h1");
  expect(wordOf(sealedAt(91_000), cycles, isSilent)).toEqual(["Error", "group-vm-waits-for-order"]);
  const allowed: Group = { ...cycles, mode: { kind: "asynchronous", everyS: 5, lossS: 60 } };
  const within = sealedAt(91_000).put(keys.group(group.name), allowed);
  expect(wordOf(within, allowed, isSilent)).toEqual(["Normal"]);
});
