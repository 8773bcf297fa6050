import { describe, expect, test } from "vitest";
import { fence, held } from "../../test/support/records.ts";
import { ReplicaCluster, replica, run, there, volumes, web } from "../../test/support/replicas.ts";
import { must } from "../base/assert.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import { poolsOf, proveGone } from "./fencing.ts";
import { lagMs, lossByPolicy, nextCycleAt, sealedCycle, sealedTransaction } from "./replication-cycles.ts";
import { promoteTransaction } from "./replication-promotion.ts";
import { isReceiverKnown, type LostCycles, lostCycles, receiverTransaction } from "./replication-receiver.ts";
import { usability } from "./replication-usable.ts";

const cycle = (sequence: number, more: Partial<SealedCycle> = {}): SealedCycle => ({
  chain: "abcdef012345",
  sequence,
  at: (1_000 * sequence) as WallMs,
  point: `cycle-${sequence}`,
  ...more,
});
const sealed = (cluster: ReplicaCluster, one: SealedCycle) => sealedTransaction(cluster.view, web, run, there, one);

describe("a cycle that is sealed", () => {
  test("[S25] is recorded of all disks at once, and a late transaction takes nothing back", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    const late = sealed(cluster, cycle(1));
    expect(cluster.commit(sealed(cluster, cycle(2)))).toBe(true);
    expect(volumes.map((volume) => cluster.stateOf("h2", volume))).toEqual(["sealed", "sealed"]);
    expect(cluster.commit(late)).toBe(false);
    expect(sealed(cluster, cycle(2))).toMatchObject({ kind: "refused", code: "replica-overtaken" });
    expect(sealed(cluster, cycle(1))).toMatchObject({ kind: "refused", code: "replica-overtaken" });
    expect(cluster.commit(sealed(cluster, cycle(1, { chain: "ffffff012345" })))).toBe(true);
    expect(sealedCycle(cluster.view, web, there)?.chain).toBe("ffffff012345");
  });

  test("[S17, S25] lowers no promise that was made, and covers no branch that nobody else has", () => {
    for (const state of [{ kind: "in-sync" }, { kind: "diverged", at: 1 as WallMs, kept: true }] as const)
      expect(sealed(new ReplicaCluster().copies(state), cycle(1))).toMatchObject({ code: "replica-overtaken" });
    expect(
      sealed(new ReplicaCluster().copies({ kind: "stale", cause: "order", whole: true, at: 1 as WallMs }), cycle(1)),
    ).toMatchObject({ kind: "commit" });
  });

  test("[S25] by a host that was fenced, or that another run followed, is not recorded", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    const made = sealed(cluster, cycle(1));
    cluster.put(keys.fence(run.host, run.incarnation), fence());
    expect(cluster.commit(made)).toBe(false);
    const other = new ReplicaCluster().copies({ kind: "copying" });
    const before = sealed(other, cycle(1));
    other.put(keys.owner(web), held("h1", 3, 5));
    expect(other.commit(before)).toBe(false);
  });

  test("[S25] counts where all disks are at the same one", () => {
    const cluster = new ReplicaCluster().copies({ kind: "sealed", ...cycle(3) });
    expect(sealedCycle(cluster.view, web, there)).toMatchObject({ sequence: 3 });
    expect(lagMs(cluster.view, web, there, 3_500 as WallMs)).toBe(500);
    cluster.put(keys.replica(web, "web-1" as never, there), replica("web-1" as never, { kind: "sealed", ...cycle(2) }));
    expect(sealedCycle(cluster.view, web, there)).toBeUndefined();
    expect(lagMs(cluster.view, web, there, 3_500 as WallMs)).toBeUndefined();
  });
});

describe("a sealed cycle that is not at the copies any more", () => {
  const chain = cycle(1).chain;
  const doors = [{ address: "10.0.0.2", port: 49_216 }];
  const open = (cluster: ReplicaCluster, lost: LostCycles | null) =>
    receiverTransaction(cluster.view, web, there, run.epoch, { doors, isAsLeft: false, lost });
  const isKnown = (cluster: ReplicaCluster, lost: LostCycles | null) =>
    isReceiverKnown(cluster.view, web, there, run.epoch, { doors, isAsLeft: false, lost });

  test("[S21, S25] is what was on record and lies there no more; another chain may be newer than the record", () => {
    expect(lostCycles(cycle(3), null)).toEqual({ chain, above: 0 });
    expect(lostCycles(cycle(3), cycle(2))).toEqual({ chain, above: 2 });
    for (const last of [cycle(3), cycle(4), cycle(1, { chain: "ffffff012345" })])
      expect(lostCycles(cycle(3), last)).toBeNull();
    expect(lostCycles(undefined, null)).toBeNull();
  });

  test("[S21, S25] is taken off the record with the doors, so that no failover counts on it", () => {
    const cluster = new ReplicaCluster().copies({ kind: "sealed", ...cycle(3) });
    expect(cluster.commit(open(cluster, null))).toBe(true);
    expect([isKnown(cluster, null), isKnown(cluster, { chain, above: 0 })]).toEqual([true, false]);
    expect(cluster.commit(open(cluster, { chain, above: 0 }))).toBe(true);
    expect(volumes.map((volume) => cluster.stateOf("h2", volume))).toEqual(["copying", "copying"]);
    expect(isKnown(cluster, { chain, above: 0 })).toBe(true);
    expect(lossByPolicy(cluster.view, web, there, 8_000 as WallMs, 60_000)).toBeUndefined();
  });

  test("[S25] does not take along what was sealed since, or before it", () => {
    for (const one of [cycle(2), cycle(1, { chain: "ffffff012345" })]) {
      const cluster = new ReplicaCluster().copies({ kind: "sealed", ...one });
      expect(cluster.commit(open(cluster, { chain, above: 2 }))).toBe(true);
      expect(sealedCycle(cluster.view, web, there)).toMatchObject({ chain: one.chain });
      expect(isKnown(cluster, { chain, above: 2 })).toBe(true);
    }
  });
});

describe("a failover to a sealed cycle", () => {
  const lost = (cluster: ReplicaCluster, lostAt: number, limitMs: number | null) =>
    lossByPolicy(cluster.view, web, there, lostAt as WallMs, limitMs);

  test("[S18, S25] happens by itself only within the loss that the policy states", () => {
    const cluster = new ReplicaCluster().copies({ kind: "sealed", ...cycle(3) });
    expect(usability(cluster.view, web, there)).toEqual({ kind: "lossy", code: "replica-behind", since: 3_000 });
    expect(lost(cluster, 8_000, null)).toBeUndefined();
    expect(lost(cluster, 8_001, 5_000)).toBeUndefined();
    expect(lost(cluster, 8_000, 5_000)?.seen.size).toBe(2);
    // A clock that says that it was lost before the cycle: nobody knows.
    expect(lost(cluster, 2_999, 5_000)).toBeUndefined();
    expect(lost(new ReplicaCluster().copies({ kind: "copying" }), 8_000, 5_000)).toBeUndefined();
  });

  test("[S18, S25] is void where another cycle was recorded since", () => {
    const cluster = new ReplicaCluster().copies({ kind: "sealed", ...cycle(3) });
    cluster.put(keys.fence(run.host, run.incarnation), fence());
    const accepted = lost(cluster, 8_000, 5_000);
    const pools = must(poolsOf(must(cluster.view.vms.get(web), "no VM").value, cluster.view), "no pools");
    const proof = must(proveGone(cluster.view, run.host, run.incarnation, pools), "no proof");
    const promote = () => promoteTransaction(cluster.view, web, there, { proof, accepted, at: 9_000 as WallMs }, []);
    expect(promote()).toMatchObject({ kind: "commit" });
    cluster.copies({ kind: "sealed", ...cycle(4) });
    expect(promote()).toMatchObject({ kind: "refused", code: "replica-behind" });
  });
});

test("cycles come at their interval; after a long one at once; after a failure soon, and then less often", () => {
  const after = (endedAt: number, failures: number) => nextCycleAt(5_000, { begunAt: 100, endedAt, failures });
  expect(after(200, 0)).toBe(5_100);
  expect(after(9_000, 0)).toBe(9_000);
  expect([1, 2, 3, 4, 9].map((failures) => after(200, failures) - 200)).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
  const daily = (failures: number) => nextCycleAt(86_400_000, { begunAt: 0, endedAt: 0, failures });
  expect([7, 40].map(daily)).toEqual([60_000, 60_000]);
});
