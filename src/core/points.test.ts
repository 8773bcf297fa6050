import { expect, test } from "vitest";
import { host } from "../../test/support/records.ts";
import { ReplicaCluster, there, web } from "../../test/support/replicas.ts";
import type { GroupId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { proofWord } from "../model/point-proof.ts";
import type { Point } from "../model/point-records.ts";
import type { Group } from "../model/replication-records.ts";
import type { ReplicaPoint } from "../ports/replication.ts";
import { lastToKeep } from "./last-moments.ts";
import { pointTroubles } from "./point-checks.ts";
import {
  isLastMoment,
  isOnRecord,
  isScheduleDue,
  lastProof,
  lastTest,
  recordChanges,
  tellingTest,
  testDue,
  unwantedPoints,
  withEarlier,
  withProof,
  withTestOfGone,
} from "./points.ts";

const minute = 60_000;
const group: Group = {
  ...{ schema: 1, name: "office" as GroupId, vms: [web], source: host("h1"), target: there },
  ...{ mode: { kind: "synchronous", boundMs: 2_000 }, paused: [], createdAt: 0 as WallMs },
  points: {
    ...{ everyMs: 15 * minute, keep: [{ everyMs: 60 * minute, count: 2 }], consistency: "crash" },
    test: { everyMs: 60 * minute, checks: [], limitMs: 60_000 },
  },
};
const point = (id: string, at: number, more: Partial<Point> = {}): Point => ({
  ...{ schema: 1, vm: web, id, host: there, at: at as WallMs, origin: "schedule", consistency: "crash" },
  ...{ sizeMiB: null, proof: null, ...more },
});
const withPoints = (...all: readonly Point[]): ReplicaCluster => {
  const cluster = new ReplicaCluster().copies({ kind: "in-sync" });
  for (const one of all) cluster.put(keys.point(web, one.id), one);
  return cluster;
};
const listed = (id: string, at: number, origin: ReplicaPoint["origin"] = "schedule"): ReplicaPoint => {
  return { id, at, sizeMiB: 3, origin, consistency: "crash" };
};
const at = (ms: number) => ms as WallMs;
const proof = (ms: number, passed: boolean): Point["proof"] => {
  const checks = [{ kind: "http", passed, detail: passed ? "" : "no answer" }];
  return { point: "p", at: at(ms), tookMs: 4_000, passed, checks };
};

test("[S20] a point is due by schedule, whatever was taken by hand", () => {
  expect(isScheduleDue(withPoints().view, group, web, at(0))).toBe(true);
  const one = withPoints(point("p1", 0), point("p2", 14 * minute, { origin: "hand" }));
  expect(isScheduleDue(one.view, group, web, at(14 * minute))).toBe(false);
  expect(isScheduleDue(one.view, group, web, at(15 * minute))).toBe(true);
  expect(isScheduleDue(one.view, { ...group, points: null }, web, at(15 * minute))).toBe(false);
});

test("[S20] what a copy holds is kept where it had everything at one moment, each such moment for itself", () => {
  const word = (state: Parameters<ReplicaCluster["copies"]>[0]) =>
    lastToKeep(new ReplicaCluster().copies(state).view, web, there)?.word;
  const stale = (ms: number, whole = true) => ({ kind: "stale", cause: "silent", whole, at: at(ms) }) as const;
  expect(word({ kind: "in-sync" })).toBeDefined();
  expect(word(stale(5))).not.toBe(word(stale(6)));
  expect([word(stale(5, false)), word({ kind: "copying" }), word({ kind: "unknown" })]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(lastToKeep(new ReplicaCluster().view, web, there)).toBeUndefined();
  const left = (kept: boolean) => new ReplicaCluster().copies({ kind: "diverged", at: at(7), kept }).view;
  expect(lastToKeep(left(true), web, there)?.origin).toBe("branch-kept");
  expect(lastToKeep(left(false), web, there)?.origin).toBe("branch");
});

test("[S20] what no rule keeps goes, what was taken by hand stays, and the last before a resync until that is over", () => {
  const found = [
    ...[listed("p1", 0), listed("p2", 1), listed("hand", 2, "hand")],
    ...[listed("r1", 3, "resync"), listed("r2", 4, "resync"), listed("p3", 5)],
  ];
  const unwanted = (cluster: ReplicaCluster) => unwantedPoints(cluster.view, group, web, there, found);
  const recorded = [point("r1", 3, { origin: "resync" }), point("r2", 4, { origin: "resync" })];
  expect(unwanted(withPoints(...recorded))).toEqual(["r1", "r2", "p1", "p2"]);
  expect(unwanted(new ReplicaCluster().copies({ kind: "copying" }))).toEqual(["r1", "p1", "p2"]);
});

test("[S20] what a copy was before a resync stays until that is over, a branch as long as nothing else is there", () => {
  const last = point("p1", 0, { origin: "resync" });
  const branch = point("p2", 0, { origin: "branch" });
  const [copying, inSync] = [{ kind: "copying" }, { kind: "in-sync" }] as const;
  const half = { kind: "stale", cause: "silent", whole: false, at: at(5) } as const;
  const isLast = (id: string, state: Parameters<ReplicaCluster["copies"]>[0], ...all: readonly Point[]) =>
    isLastMoment(withPoints(...all).copies(state).view, web, there, id);
  expect([isLast("p1", copying, last), isLast("p1", half, last), isLast("p1", inSync, last)]).toEqual([
    true,
    true,
    false,
  ]);
  // From the moment at which it is made on: the copy is written over right after.
  expect(isLast("p1", { ...half, whole: true }, last)).toBe(true);
  expect([isLast("p2", copying, branch), isLast("p2", copying, branch, last)]).toEqual([true, false]);
  expect(isLast("p3", copying, last, point("p3", 1))).toBe(false);
});

test("[S20] a point from which somebody ordered a start is not thinned out before it is done", () => {
  const found = [listed("p1", 0), listed("p2", 1), listed("p3", 5)];
  const ordered = new ReplicaCluster().copies({ kind: "in-sync" });
  const order = { kind: "promote", to: there, seen: [], point: "p1" } as const;
  const actor = { name: "root", role: "admin", requestId: "" } as const;
  ordered.put(keys.vmOrder(web), { schema: 1, vm: web, order, actor, at: at(6) });
  expect(unwantedPoints(ordered.view, group, web, there, found)).toEqual(["p2"]);
});

test("[S20] a last moment that is not on record yet stays: the view may be one of before the cut, for which the copy is in sync", () => {
  const found = [listed("r1", 3, "resync")];
  const cluster = withPoints();
  expect(unwantedPoints(cluster.view, group, web, there, found)).toEqual([]);
  cluster.put(keys.point(web, "r1"), point("r1", 3, { origin: "resync", host: host("h3") }));
  expect(unwantedPoints(cluster.view, group, web, there, found)).toEqual([]);
  // Recorded after the cut: a view that has it has the cut, and what came after it, too.
  cluster.put(keys.point(web, "r1"), point("r1", 3, { origin: "resync" }));
  expect(unwantedPoints(cluster.view, group, web, there, found)).toEqual(["r1"]);
});

test("[S25] the newest stays also where a clock was put back: a failover starts from the last cycle", () => {
  const found = [
    listed("c1", 50 * minute, "cycle"),
    listed("c2", 51 * minute, "cycle"),
    listed("c3", 2 * minute, "cycle"),
  ];
  const none = { ...group, points: null };
  expect(unwantedPoints(withPoints().view, none, web, there, found)).toEqual(["c1"]);
});

test("[S20] the word of the host of the points counts, but for what was recorded after it was asked", () => {
  const cluster = withPoints(point("gone", 0), point("known", 1, { sizeMiB: 3, vmAs: { name: "web", disks: [] } }));
  const { view } = cluster;
  const changes = recordChanges(view, web, there, [listed("known", 1), listed("new", 2)], view.revision);
  expect(changes.map(({ before, after }) => [before?.value.id, after?.id])).toEqual([
    ["gone", undefined],
    [undefined, "new"],
  ]);
  const early = recordChanges(view, web, there, [], 0);
  expect(early).toEqual([]);
});

test("[S20] what is recorded of a point says whose it is, also where an older version wrote it", () => {
  const { view } = withPoints(point("p1", 0, { sizeMiB: 3 }), point("p2", 1));
  const changes = recordChanges(view, web, there, [listed("p1", 0), listed("p2", 1)], view.revision);
  expect(changes.map(({ after }) => [after?.id, after?.vmAs?.name])).toEqual([
    ["p1", view.vms.get(web)?.value.name],
    ["p2", view.vms.get(web)?.value.name],
  ]);
});

test("[S20] a test is due at its time, and one that is late or failed is told", () => {
  const codes = (cluster: ReplicaCluster, ms: number) =>
    pointTroubles(cluster.view, group, web, at(ms)).map(({ code }) => code);
  expect(testDue(withPoints().view, group, web, there, at(0))).toBeUndefined();
  const untested = withPoints(point("p1", 0), point("p2", 10));
  expect(testDue(untested.view, group, web, there, at(20))?.id).toBe("p2");
  const tested = withPoints(point("p1", 0, { proof: proof(5 * minute, true) }), point("p2", 10 * minute));
  expect(testDue(tested.view, group, web, there, at(20 * minute))).toBeUndefined();
  expect(lastProof(tested.view, web)?.at).toBe(5 * minute);
  expect(codes(tested, 20 * minute)).toEqual([]);
  expect(codes(tested, 200 * minute)).toEqual(["group-points-late", "group-test-late"]);
  expect(codes(withPoints(point("p1", 0, { proof: proof(1, false) })), minute)).toEqual(["group-test-failed"]);
});

test("[S20] a test that checked nothing proves nothing, and takes no proof's place; both are tests by schedule", () => {
  const boot = (ms: number, passed = true) => {
    return { point: "p1", at: at(ms), tookMs: 1, passed, checks: [{ kind: "boot", passed, detail: "" }] };
  };
  const checked = proof(5 * minute, true);
  const proven = withProof(point("p1", 4 * minute), { ...boot(0), ...checked });
  expect(proven).toMatchObject({ proof: { at: 5 * minute, passed: true, rpoMs: minute } });
  const later = withProof(proven, boot(9 * minute));
  // Of each kind of check the last word stays, whatever a later test looked for.
  const by = (kind: string, ms: number) => ({ ...boot(ms), checks: [{ kind, passed: true, detail: "" }] });
  const seen = withProof(withProof(later, by("screen", 6 * minute)), by("agent", 7 * minute));
  expect([seen.proof, ...(seen.earlierProofs ?? [])].map((one) => one?.at)).toEqual([7, 6, 5].map((m) => m * minute));
  expect(withProof(seen, by("http", 8 * minute)).earlierProofs?.map(({ at: when }) => when)).toEqual([
    7 * minute,
    6 * minute,
  ]);
  expect(later).toMatchObject({ proof: proven.proof, boot: { at: 9 * minute, rpoMs: 5 * minute } });
  expect([isOnRecord(later, boot(9 * minute)), isOnRecord(proven, boot(9 * minute))]).toEqual([true, false]);
  const { view } = withPoints(later);
  expect(lastProof(view, web)?.at).toBe(5 * minute);
  expect(lastTest(view, web)?.at).toBe(9 * minute);
  expect([boot(1), boot(1, false), proven.proof].map((one) => one && proofWord(one))).toEqual([
    "booted",
    "failed",
    "proven",
  ]);
  expect(tellingTest(view, web)).toEqual(later.proof);
  expect(tellingTest(withPoints(withProof(proven, boot(9 * minute, false))).view, web)?.at).toBe(9 * minute);
  const codes = (...all: readonly Point[]) =>
    pointTroubles(withPoints(...all).view, group, web, at(10 * minute)).map(({ code }) => code);
  expect(codes(later)).toEqual([]);
  expect(codes(withProof(proven, boot(9 * minute, false)))).toEqual(["group-test-failed"]);
  // What checked nothing does not show that what had failed is well.
  expect(codes(point("p1", 0, { proof: proof(1, false), boot: boot(9 * minute) }))).toEqual(["group-test-failed"]);
  expect(recordChanges(view, web, there, [listed("p1", 4 * minute), listed("p2", 9)], 1)[0]?.after?.boot).toEqual(
    later.boot,
  );
});

test("[S20] where a guest was to stand still for its newest point and did not, the group says why; the record keeps it", () => {
  const whyCrash = { code: "freeze-no-agent", params: { vm: web } };
  const asked: Group = { ...group, points: { everyMs: 15 * minute, keep: [], consistency: "application", test: null } };
  const early = point("p1", 0, { whyCrash });
  const reasons = (...all: readonly Point[]) => pointTroubles(withPoints(...all).view, asked, web, at(minute));
  expect(reasons(early)).toEqual([{ rule: "S20", code: "freeze-no-agent", params: { vm: "web" } }]);
  expect(reasons(early, point("p2", 1, { consistency: "application" }))).toEqual([]);
  expect(pointTroubles(withPoints(early).view, group, web, at(minute))).toEqual([]);
  const { view } = withPoints(early);
  const [change] = recordChanges(view, web, there, [listed("p1", 0), listed("p2", 1)], view.revision);
  expect(change?.after).toMatchObject({ id: "p1", sizeMiB: 3, whyCrash });
});

test("[S20] what a test came to outlives its point: the newest that is left says it, once", () => {
  const tested = { ...proof(9, true), point: "p1", rpoMs: 7 } as NonNullable<Point["proof"]>;
  const booted = { ...tested, at: at(8), checks: [{ kind: "boot", passed: true, detail: "" }] };
  const { view } = withPoints(point("p1", 0, { proof: tested, boot: booted }), point("p2", 1, { sizeMiB: 3 }));
  const changes = recordChanges(view, web, there, [listed("p2", 1), listed("p3", 2)], view.revision);
  const [first, ...others] = changes;
  expect(first?.after).toMatchObject({ id: "p3", proof: null, earlier: [tested, booted] });
  expect(others.map(({ before, after }) => [before?.value.id, after?.id])).toContainEqual(["p1", undefined]);
  expect(others.flatMap(({ after }) => after?.earlier ?? [])).toEqual([]);
  // It goes on from there, until a later one is there.
  const after = withPoints(first?.after ?? point("p3", 2));
  expect([lastTest(after.view, web), lastProof(after.view, web)]).toEqual([tested, tested]);
  const [next] = recordChanges(after.view, web, there, [listed("p4", 3)], after.view.revision);
  expect(next?.after).toMatchObject({ id: "p4", earlier: [tested, booted] });
  const later = { ...tested, at: at(20), passed: false };
  const p4 = next?.after ?? point("p4", 3);
  expect(withEarlier(p4, [later]).earlier).toEqual([later, booted]);
  // A clock that was set back since makes the last one no older: whoever waits for it on record would wait for ever.
  const setBack = { ...tested, at: at(2), passed: false };
  expect(withTestOfGone(p4, setBack).earlier).toEqual([setBack, booted]);
  expect(isOnRecord(withTestOfGone(p4, setBack), setBack)).toBe(true);
});

test("[S20] of a point that goes, all kinds of checks that its guest ever passed are still told", () => {
  const by = (kind: string, ms: number) => ({ ...tested, at: at(ms), checks: [{ kind, passed: true, detail: "" }] });
  const tested = { ...proof(1, true), point: "p1" } as NonNullable<Point["proof"]>;
  const seen = ["http", "agent", "screen"].reduce((one, kind, i) => withProof(one, by(kind, 5 + i)), point("p1", 0));
  const { view } = withPoints(seen, point("p2", 1));
  const [first] = recordChanges(view, web, there, [listed("p2", 1)], view.revision);
  const kinds = (one: Point | null | undefined) => one?.earlier?.map(({ checks }) => checks[0]?.kind);
  expect(kinds(first?.after)).toEqual(["screen", "agent", "http"]);
  expect(kinds(first?.after && withEarlier(first.after, [by("http", 9)]))).toEqual(["http", "screen", "agent"]);
});
