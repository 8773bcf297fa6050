import { describe, expect, test } from "vitest";
import { fence, held, host } from "../../test/support/records.ts";
import { ReplicaCluster, run, there, volumes, web } from "../../test/support/replicas.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { inSyncTransaction, mayGoByHost, saidByHost } from "./replication.ts";
import { usability, usabilityOnceLost, wholeCopies } from "./replication-usable.ts";

const byHost = () => new ReplicaCluster().copies({ kind: "in-sync", byHost: true });
const states = ({ view }: ReplicaCluster) =>
  volumes.map((volume) => view.replicas.get(keys.replica(web, volume, there))?.value.state);

describe("a copy that the run's host may go on without by its own note", () => {
  test("[S23] lacks nothing while that host has the run, and once it is lost only a person may take it", () => {
    expect(wholeCopies(byHost().view, web)).toEqual([there]);
    const lost = [
      byHost().put(keys.fence(run.host, run.incarnation), fence()),
      byHost().register(host("h1"), run.incarnation + 1),
    ];
    for (const { view } of lost)
      expect(usability(view, web, there)).toEqual({ kind: "lossy", code: "replica-by-host", since: null });
  });

  test("[S23] is not said to lack nothing by whoever cannot ask that host", () => {
    const lossy = { kind: "lossy", code: "replica-by-host", since: null };
    expect(usabilityOnceLost(byHost().view, web, there)).toEqual(lossy);
    expect(usability(byHost().view, web, there)).toEqual({ kind: "whole" });
    expect(usabilityOnceLost(new ReplicaCluster().copies({ kind: "in-sync" }).view, web, there)).toEqual({
      kind: "whole",
    });
  });

  test("[S16, S23] has to be recorded as such for this very run, on every disk", () => {
    const may = ({ view }: ReplicaCluster) => mayGoByHost(view, web, run, there);
    expect([may(byHost()), may(new ReplicaCluster().copies({ kind: "in-sync" }))]).toEqual([true, false]);
    expect(may(byHost().put(keys.owner(web), held("h1", 3, 5)))).toBe(false);
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    expect(cluster.commit(inSyncTransaction(cluster.view, web, run, there, true))).toBe(true);
    expect(may(cluster)).toBe(true);
    expect(may(new ReplicaCluster())).toBe(false);
  });

  test("[S18, S23] at the end of the run its host says what it is worth, and of another run nothing", () => {
    const said = (cluster: ReplicaCluster, since?: WallMs): ReplicaCluster => {
      const { compares, writes } = saidByHost(cluster.view, web, run.epoch, since);
      cluster.commit({ kind: "commit", transaction: { compares, writes } });
      return cluster;
    };
    const whole = { kind: "in-sync" };
    expect(states(said(byHost()))).toEqual([whole, whole]);
    const behind = { kind: "stale", cause: "silent", whole: true, at: 9 };
    expect(states(said(byHost(), 9 as WallMs))).toEqual([behind, behind]);
    const earlier = new ReplicaCluster().copies({ kind: "in-sync", byHost: true }, { epoch: 3 as never });
    expect(saidByHost(earlier.view, web, run.epoch, undefined).writes).toEqual([]);
  });
});
