import { describe, expect, test } from "vitest";
import { held } from "../../test/support/records.ts";
import { ReplicaCluster, run, there, web } from "../../test/support/replicas.ts";
import { must } from "../base/assert.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { GoBack, Point } from "../model/point-records.ts";
import type { ReplicaState } from "../model/replication-records.ts";
import { changePlaceTransaction, forgetFailuresTransaction } from "./ownership.ts";
import { goBackTo } from "./point-return.ts";
import { promoteCopies } from "./replication-promotion.ts";

const at = 70 as WallMs;
const point = (host: Point["host"]): Point => ({
  schema: 1,
  vm: web,
  id: "p1",
  host,
  at: 40 as WallMs,
  origin: "schedule",
  consistency: "crash",
  sizeMiB: null,
  proof: null,
});

/** The VM belongs to h2, and is to go back there to a point. */
function waiting(keeps: boolean): ReplicaCluster {
  const cluster = new ReplicaCluster().put(keys.owner(web), { ...held("h1", 3, 4), kind: "released", failed: null });
  const back: GoBack = { point: "p0", id: "left-1", keeps };
  const write = changePlaceTransaction(cluster.view, web, run.host, [], back).writes[0];
  if (write?.kind !== "put") throw new Error("The owner record is written");
  return cluster.put(keys.owner(web), { ...JSON.parse(write.text), failed: "killed" });
}

describe("what lies where a VM is to go back to a point", () => {
  test.each([true, false])("[S20] a later order inherits whether that was a moment: %s", (keeps) => {
    expect(goBackTo(waiting(keeps).view, web, point(run.host), at)).toMatchObject({ point: "p1", keeps });
  });

  test("[S20] of its own disks, with nothing ordered, it was", () => {
    expect(goBackTo(new ReplicaCluster().view, web, point(run.host), at).keeps).toBe(true);
  });

  test("[S20] a copy that is half made was none", () => {
    const cluster = new ReplicaCluster().copies({ kind: "copying" });
    expect(goBackTo(cluster.view, web, point(there), at).keeps).toBe(false);
  });

  test.each([
    [true, undefined],
    [false, "p0"],
  ])("[S20] disabled, it starts from what lies there only if that was a moment: %s", (keeps, expected) => {
    const cluster = waiting(keeps);
    const vm = { ...must(cluster.view.vms.get(web), "no VM").value, requested: "disabled" as const };
    const made = must(forgetFailuresTransaction(cluster.view, vm, []), "nothing is forgotten");
    const write = made.writes.find(({ key }) => key === keys.owner(web));
    expect(write?.kind === "put" ? JSON.parse(write.text).back?.point : null).toBe(expected);
  });
});

/** What is recorded of the copies elsewhere, once the VM goes back to a point where its own disks lie. */
function leftElsewhere(state: ReplicaState) {
  const cluster = new ReplicaCluster().copies(state);
  cluster.put(keys.point(web, "p1"), point(run.host));
  const stored = must(cluster.view.points.get(keys.point(web, "p1")), "no point");
  const made = promoteCopies(cluster.view, web, run.host, { accepted: { seen: new Map(), point: stored }, at });
  const records =
    made.kind === "part" ? made.writes.map((one) => (one.kind === "put" ? JSON.parse(one.text) : one)) : [];
  return records.map((record) => [record.host, record.state]);
}

test("[S20, S25] what others have sealed of the time that it goes back behind is offered to no policy", () => {
  const left = leftElsewhere({ kind: "sealed", chain: "abcdefgh", sequence: 9, at: 60 as WallMs, point: "c9" });
  expect(left.map(([host, state]) => [host, state.kind])).toEqual([
    [there, "stale"],
    [there, "stale"],
  ]);
});

test("[S18, S21] what a lost host left is kept: the copies that were to have all of it may be what it goes back behind", () => {
  const left = leftElsewhere({ kind: "diverged", at: 50 as WallMs, kept: false });
  const kept = { kind: "diverged", at: 50, kept: true };
  expect(left).toEqual([
    [there, kept],
    [there, kept],
  ]);
});

test.each(["handed", "moved", "order"] as const)(
  "[S18] so are the disks from which the VM was taken in order (%s)",
  (cause) => {
    const left = leftElsewhere({ kind: "stale", cause, whole: true, at: 50 as WallMs });
    expect(left.map(([, state]) => state)).toEqual([
      { kind: "diverged", at: 50, kept: true },
      { kind: "diverged", at: 50, kept: true },
    ]);
  },
);

test.each([
  ["silent", true],
  ["order", false],
] as const)(
  "[S18] a copy that was only late, or is half made (%s, whole: %s), holds nothing of its own",
  (cause, whole) => {
    const state = { kind: "stale", cause, whole, at: 50 as WallMs } as const;
    expect(leftElsewhere(state).map(([, left]) => left)).toEqual([state, state]);
  },
);
