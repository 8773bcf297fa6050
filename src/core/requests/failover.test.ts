import { expect, test } from "vitest";
import { host } from "../../../test/support/records.ts";
import { ReplicaCluster, there, web } from "../../../test/support/replicas.ts";
import type { WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Point } from "../../model/point-records.ts";
import type { Group } from "../../model/replication-records.ts";
import { lossesOf } from "./failover.ts";

const inCycles: Group["mode"] = { kind: "asynchronous", everyS: 5, lossS: 60 };

function afterTakeover(mode: Group["mode"], ...points: readonly Pick<Point, "id" | "origin" | "at">[]): ReplicaCluster {
  const cluster = new ReplicaCluster().copies({ kind: "unknown" });
  cluster.put(keys.group("office" as never), {
    ...{ schema: 1, name: "office", vms: [web], source: host("h1"), target: there, mode, paused: [], createdAt: 0 },
  });
  for (const one of points)
    cluster.put(keys.point(web, one.id), {
      ...{ schema: 1, vm: web, host: there, consistency: "crash", sizeMiB: null, proof: null, ...one },
    });
  return cluster;
}

function lossOf({ view }: ReplicaCluster) {
  const found = lossesOf(view, { group: "office", to: "h2" }, () => "lost" as never, 60_000 as WallMs);
  if (found.kind === "refused") throw new Error(found.code);
  return found.losses.map(({ code, since, lostMs }) => [code, since, lostMs]);
}

const cycle = { id: "cycle-7", origin: "cycle", at: 50_000 as WallMs } as const;

test("[S21, S25] after a takeover a copy in cycles lacks what came after the newest cycle that lies there", () => {
  const older = { ...cycle, id: "cycle-6", at: 45_000 as WallMs };
  expect(lossOf(afterTakeover(inCycles, older, cycle))).toEqual([["replica-unknown", 50_000, 10_000]]);
});

test("[S21] nobody can say it where no cycle lies there, or each write was copied", () => {
  expect(lossOf(afterTakeover(inCycles))).toEqual([["replica-unknown", null, null]]);
  expect(lossOf(afterTakeover(inCycles, { ...cycle, origin: "resync" }))).toEqual([["replica-unknown", null, null]]);
  const each: Group["mode"] = { kind: "synchronous", boundMs: 2_000 };
  expect(lossOf(afterTakeover(each, cycle))).toEqual([["replica-unknown", null, null]]);
});
