import { describe, expect, test } from "vitest";
import { fence, held, host } from "../../test/support/records.ts";
import { ReplicaCluster, replica, run, there, volumes, web } from "../../test/support/replicas.ts";
import { must } from "../base/assert.ts";
import type { Epoch, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ReplicaState } from "../model/replication-records.ts";
import { poolsOf, proveGone } from "./fencing.ts";
import { inSyncTransaction, staleTransaction } from "./replication.ts";
import { lossToAccept, promoteTransaction } from "./replication-promotion.ts";
import { usability, wholeCopies } from "./replication-usable.ts";

const at = 70 as WallMs;
const stale: ReplicaState = { kind: "stale", cause: "silent", whole: true, at: 50 as WallMs };

function fenced(state: ReplicaState): ReplicaCluster {
  return new ReplicaCluster().copies(state).put(keys.fence(run.host, run.incarnation), fence());
}

function promote(cluster: ReplicaCluster, accepted?: ReturnType<typeof lossToAccept>) {
  const { view } = cluster;
  const pools = must(poolsOf(must(view.vms.get(web), "no VM").value, view), "no pools");
  const proof = must(proveGone(view, run.host, run.incarnation, pools), "no proof");
  return promoteTransaction(view, web, there, { proof, accepted, at }, []);
}

describe("a copy in sync", () => {
  test("[S17] is promoted: owner, epoch and all other copies in one transaction", () => {
    const cluster = fenced({ kind: "in-sync" });
    cluster.put(
      keys.replica(web, "web-0" as VolumeId, host("h3")),
      replica("web-0" as VolumeId, stale, { host: host("h3") }),
    );
    expect(wholeCopies(cluster.view, web)).toEqual([there]);
    expect(cluster.commit(promote(cluster))).toBe(true);
    expect(cluster.view.owners.get(web)?.value).toEqual(held("h2", 7, 5));
    expect(volumes.map((volume) => cluster.stateOf("h1", volume))).toEqual(["diverged", "diverged"]);
    expect([cluster.stateOf("h2"), cluster.stateOf("h3")]).toEqual([undefined, "stale"]);
    expect(wholeCopies(cluster.view, web)).toEqual([]);
  });

  test.each<readonly [string, (cluster: ReplicaCluster) => unknown]>([
    [
      "one of its disks went stale",
      (cluster) => cluster.put(keys.replica(web, "web-1" as VolumeId, there), replica("web-1" as VolumeId, stale)),
    ],
    ["the VM was claimed back", (cluster) => cluster.put(keys.owner(web), held("h1", 4, 5))],
    ["the new host is fenced", (cluster) => cluster.put(keys.fence(there, 7 as never), fence())],
    ["the new host starts anew", (cluster) => cluster.register(host("h2"), 8)],
    [
      "the proof's record changed",
      (cluster) => cluster.put(keys.fence(run.host, run.incarnation), fence({ device: "begun" })),
    ],
  ])("[S17] not where in between %s", (_, meddle) => {
    const cluster = fenced({ kind: "in-sync" });
    const made = promote(cluster);
    meddle(cluster);
    expect(cluster.commit(made)).toBe(false);
  });

  test("[S17] after it its old run records nothing any more", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    const late = staleTransaction(cluster.view, web, run, there, "silent", at);
    cluster.put(keys.fence(run.host, run.incarnation), fence());
    expect(cluster.commit(promote(cluster))).toBe(true);
    expect(cluster.commit(late)).toBe(false);
    expect(inSyncTransaction(cluster.view, web, run, there)).toMatchObject({ kind: "refused" });
  });

  test("[S18] of an earlier run says nothing about this one", () => {
    const cluster = fenced({ kind: "in-sync" }).put(keys.owner(web), held("h1", 3, 5));
    expect(usability(cluster.view, web, there)).toMatchObject({ kind: "lossy", code: "replica-earlier-run" });
    expect(wholeCopies(cluster.view, web)).toEqual([]);
  });
});

describe("a copy that lacks something", () => {
  test.each<readonly [string, ReplicaState]>([
    ["replica-stale", stale],
    ["replica-diverged", { kind: "diverged", at, kept: false }],
    ["replica-unknown", { kind: "unknown" }],
  ])("[S18, S21] is not promoted without an order that states it: %s", (code, state) => {
    const cluster = fenced(state);
    expect(promote(cluster)).toMatchObject({ kind: "refused", code });
    expect(wholeCopies(cluster.view, web)).toEqual([]);
    const shown = lossToAccept(cluster.view, web, there);
    expect(cluster.commit(promote(cluster, shown))).toBe(true);
    expect(cluster.view.owners.get(web)?.value).toEqual(held("h2", 7, 5));
  });

  test("[S18] an order for what has changed since it was shown is void", () => {
    const cluster = fenced(stale);
    const shown = lossToAccept(cluster.view, web, there);
    cluster.copies({ ...stale, at: 60 as WallMs });
    expect(promote(cluster, shown)).toMatchObject({ kind: "refused", code: "replica-stale" });
    const accepted = promote(cluster, lossToAccept(cluster.view, web, there));
    cluster.copies(stale);
    expect(cluster.commit(accepted)).toBe(false);
  });

  test.each<ReplicaState>([{ kind: "copying" }, { ...stale, whole: false }])(
    "[S20] one that is half old and half new is promoted by nobody's order",
    (state) => {
      const cluster = fenced(state);
      expect(promote(cluster, lossToAccept(cluster.view, web, there))).toMatchObject({ code: "replica-incomplete" });
    },
  );

  test("[S17] the worst of its disks counts", () => {
    const cluster = fenced({ kind: "in-sync" });
    cluster.put(keys.replica(web, "web-1" as VolumeId, there), replica("web-1" as VolumeId, stale));
    expect(usability(cluster.view, web, there)).toMatchObject({ kind: "lossy", code: "replica-stale", since: 50 });
    cluster.put(keys.replica(web, "web-1" as VolumeId, there), replica("web-1" as VolumeId, { kind: "copying" }));
    expect(usability(cluster.view, web, there)).toMatchObject({ kind: "unusable" });
    expect(usability(cluster.view, web, host("h3"))).toEqual({ kind: "unusable", code: "replica-absent" });
  });

  test("a VM that was stopped in order starts from a whole copy without a proof", () => {
    const released = { schema: 1, kind: "released", host: "h1", epoch: 4 as Epoch, failed: null, failedHosts: [] };
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" }).put(keys.owner(web), released);
    expect(cluster.commit(promoteTransaction(cluster.view, web, there, { at }, []))).toBe(true);
    expect(cluster.stateOf("h1")).toBe("stale");
  });

  test("[S18] of one that was stopped in order, what its copy lacks is kept where it is alone", () => {
    const released = { schema: 1, kind: "released", host: "h1", epoch: 4 as Epoch, failed: null, failedHosts: [] };
    const cluster = new ReplicaCluster().copies(stale).put(keys.owner(web), released);
    const accepted = lossToAccept(cluster.view, web, there);
    expect(cluster.commit(promoteTransaction(cluster.view, web, there, { at, accepted }, []))).toBe(true);
    const [left] = [...cluster.view.replicas.values()].filter(({ value }) => value.host === host("h1"));
    expect(left?.value.state).toEqual({ kind: "diverged", at, kept: true });
  });
});
