import { describe, expect, test } from "vitest";
import { fence, held, host, vm } from "../../test/support/records.ts";
import { ReplicaCluster, replica, run, there, volumes, web } from "../../test/support/replicas.ts";
import type { Epoch, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { copyingTransaction, inSyncTransaction, mayGoOnAlone, staleTransaction } from "./replication.ts";

const at = 50 as WallMs;
const stale = (cluster: ReplicaCluster) => staleTransaction(cluster.view, web, run, there, "silent", at);

/** What may come in between; each alone makes what the agent was about to record void. */
const between: readonly (readonly [string, (cluster: ReplicaCluster) => unknown])[] = [
  ["its host is fenced", (cluster) => cluster.put(keys.fence(run.host, run.incarnation), fence())],
  ["its host starts anew", (cluster) => cluster.register(host("h1"), 4)],
  ["another became the owner", (cluster) => cluster.put(keys.owner(web), held("h2", 7, 5))],
  ["the VM was started again", (cluster) => cluster.put(keys.owner(web), held("h1", 3, 5))],
  ["one of its disks changed its state", (cluster) => cluster.put(keys.replica(web, "web-1" as never, there), {})],
  ["it got another disk", (cluster) => cluster.put(keys.vm(web), vm("web"))],
];

describe("a run that goes on without its copy", () => {
  test("[S17] all of its disks are recorded as stale at once, and only then it may", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    expect(mayGoOnAlone(cluster.view, web, run, there)).toBe(false);
    expect(cluster.commit(stale(cluster))).toBe(true);
    expect(volumes.map((volume) => cluster.stateOf("h2", volume))).toEqual(["stale", "stale"]);
    expect(mayGoOnAlone(cluster.view, web, run, there)).toBe(true);
  });

  test("[S17] one disk that says something else keeps it waiting", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    cluster.commit(stale(cluster));
    cluster.put(keys.replica(web, "web-1" as never, there), replica("web-1" as never, { kind: "in-sync" }));
    expect(mayGoOnAlone(cluster.view, web, run, there)).toBe(false);
  });

  test("[S16] being copied is not enough: an in-sync of its own may be on its way", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    expect(mayGoOnAlone(cluster.view, web, run, there)).toBe(false);
    const late = inSyncTransaction(cluster.view, web, run, there);
    expect(cluster.commit(stale(cluster))).toBe(true);
    expect(cluster.commit(late)).toBe(false);
    expect(cluster.stateOf("h2")).toBe("stale");
  });

  test.each(between)("[S17] nothing is recorded where in between %s", (_, meddle) => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    const made = stale(cluster);
    meddle(cluster);
    expect(cluster.commit(made)).toBe(false);
    expect(mayGoOnAlone(cluster.view, web, run, there)).toBe(false);
  });

  test("[S17] what an earlier run has recorded permits a later one nothing", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    cluster.commit(stale(cluster));
    cluster.put(keys.owner(web), held("h1", 3, 5));
    expect(mayGoOnAlone(cluster.view, web, { ...run, epoch: 5 as Epoch }, there)).toBe(false);
  });

  test("since when it lacks writes is kept; what was half copied is never called whole", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    cluster.commit(stale(cluster));
    cluster.commit(staleTransaction(cluster.view, web, run, there, "order", 90 as WallMs));
    const found = cluster.view.replicas.get(keys.replica(web, "web-0" as never, there))?.value.state;
    expect(found).toMatchObject({ kind: "stale", whole: true, at: 50 });
    cluster.commit(copyingTransaction(cluster.view, web, run, there));
    cluster.commit(staleTransaction(cluster.view, web, run, there, "silent", 95 as WallMs));
    const later = cluster.view.replicas.get(keys.replica(web, "web-0" as never, there))?.value.state;
    expect(later).toMatchObject({ kind: "stale", whole: false, at: 95 });
  });
});

describe("a copy that is counted on again", () => {
  test("[S17] only from being copied, by the same run", () => {
    const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
    cluster.commit(stale(cluster));
    expect(inSyncTransaction(cluster.view, web, run, there)).toMatchObject({ code: "replica-overtaken" });
    cluster.commit(copyingTransaction(cluster.view, web, run, there));
    expect(cluster.commit(inSyncTransaction(cluster.view, web, run, there))).toBe(true);
    expect(volumes.map((volume) => cluster.stateOf("h2", volume))).toEqual(["in-sync", "in-sync"]);
  });

  test("[S18] not where an earlier run began the copy", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" }).put(keys.owner(web), held("h1", 3, 5));
    const later = { ...run, epoch: 5 as Epoch };
    expect(inSyncTransaction(cluster.view, web, later, there)).toMatchObject({ code: "replica-overtaken" });
  });

  test.each(between)("[S17] nothing is recorded where in between %s", (_, meddle) => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    const made = inSyncTransaction(cluster.view, web, run, there);
    meddle(cluster);
    expect(cluster.commit(made)).toBe(false);
  });

  test("a host that is fenced, or is not its owner, records nothing", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    const other = { ...run, host: host("h3") };
    expect(staleTransaction(cluster.view, web, other, there, "silent", at)).toMatchObject({
      code: "replica-overtaken",
    });
    cluster.put(keys.fence(run.host, run.incarnation), fence());
    expect(stale(cluster)).toMatchObject({ code: "replica-host-lost" });
  });
});
