import { expect, test } from "vitest";
import {
  heartbeat,
  held,
  host,
  incarnation,
  member,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { Epoch, GroupId, PoolId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { ReplicaState } from "../../model/replication-records.ts";
import { withoutDeadline } from "../limits.ts";
import type { Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { foreseeHostLoss } from "./forecast.ts";

const wall = 100_000 as WallMs;
const web = vmId("web");
const volume = "web-0" as VolumeId;

type With = { readonly epoch?: number; readonly mode?: object; readonly hosts?: readonly string[] };

/** `web` runs on h1 from a local disk, with a copy in this state on h2; h3 has nothing of it. */
function present(state: ReplicaState, { epoch = 4, mode, hosts = ["h1", "h2", "h3"] }: With = {}): Present {
  const local = "local" as PoolId;
  const records = new Records().put(keys.pool(local), pool("local", "local-dir"));
  for (const [i, name] of hosts.entries()) {
    const links = [{ kind: "management" as const, address: `10.91.0.${i + 1}`, subnet: "10.91.0.0/24" }];
    records
      .host(name, 1, { pools: [{ pool: local, capacityMiB: 1_000, freeMiB: 500, unfit: null }] })
      .put(keys.member(host(name)), member(name, { links }))
      .put(keys.heartbeat(host(name), incarnation(1)), heartbeat(hosts.length === 2 ? withoutDeadline : {}));
  }
  const known = vm("web");
  const disks = [{ volume, pool: local, sizeMiB: 64, format: "raw" }];
  records
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks } })
    .put(keys.owner(web), { ...held("h1", 1, 4), liesOn: host("h1") })
    .put(keys.vmStatus(web), status("h1", 1, 4, "running"))
    .put(keys.replica(web, volume, host("h2")), {
      ...{ schema: 1, vm: web, volume, host: host("h2"), receiver: null },
      ...{ epoch: epoch as Epoch, state },
    });
  const group = { schema: 1, name: "far", vms: [web], source: "h1", target: "h2", points: null, paused: [] };
  if (mode !== undefined) records.put(keys.group("far" as GroupId), { ...group, mode });
  const heardAgoMs = new Map(hosts.map((name) => [host(name), 100]));
  return { view: records.view, wall, heardAgoMs, durations: measureDurations([]) };
}

const lostWith = (state: ReplicaState, epoch = 4) => foreseeHostLoss(present(state, { epoch }), host("h1")).vms;

test("[S17] a VM whose copy has everything boots afresh from it, and loses its memory alone", () => {
  expect(lostWith({ kind: "in-sync" })).toMatchObject([
    { becomes: "restarts", to: "h2", loses: { code: "loses-its-memory" } },
  ]);
});

test("[S18] one whose copy lacks something starts nowhere, and what an order would give up is told in seconds", () => {
  const stale = { kind: "stale", cause: "silent", whole: true, at: (wall - 12_400) as WallMs } as const;
  expect(lostWith(stale)).toMatchObject([
    { becomes: "waits", to: null, loses: { code: "loses-by-order", params: { host: "h2", seconds: 13 } } },
  ]);
  expect(lostWith({ kind: "in-sync" }, 3)).toMatchObject([
    { becomes: "waits", to: null, loses: { code: "loses-nobody-knows-what" } },
  ]);
});

const each = { kind: "synchronous", boundMs: 2_000 };
const cycles = { kind: "asynchronous", everyS: 5, lossS: 10 };
const sealed = {
  kind: "sealed",
  chain: "ffffff012345",
  sequence: 1,
  point: "p1",
  at: (wall - 30_000) as WallMs,
} as const;

test("[S17, S25] what would have helped: a copy that is complete, or a group that allows as much as it is behind", () => {
  const lost = (state: ReplicaState, mode: object) => foreseeHostLoss(present(state, { mode }), host("h1")).vms;
  expect(lost({ kind: "copying" }, each)).toMatchObject([
    { becomes: "waits", fix: { code: "fix-copy-complete", params: { host: "h2" } } },
  ]);
  expect(lost(sealed, cycles)).toMatchObject([
    { becomes: "waits", fix: { code: "fix-allow-loss", params: { group: "far", seconds: 30 } } },
  ]);
});

test("[S16] the loss of the host that has the copies says which VMs go on without", () => {
  const { course, vms } = foreseeHostLoss(present({ kind: "in-sync" }, { mode: each }), host("h2"));
  expect([course.map(({ code }) => code), vms]).toEqual([["forecast-host-empty", "forecast-without-copies"], []]);
  expect(course[1]?.params).toEqual({ host: "h2", vms: "web" });
  const untouched = foreseeHostLoss(present({ kind: "in-sync" }), host("h2"));
  expect(untouched.course.map(({ code }) => code)).toEqual(["forecast-host-empty"]);
});

test("[S23] of two hosts, what is lost starts at the other one by an order, which is named", () => {
  const hosts = ["h1", "h2"];
  const lost = (state: ReplicaState) => foreseeHostLoss(present(state, { mode: each, hosts }), host("h1")).vms;
  const fix = { code: "fix-takeover", params: { vm: "web", host: "h2", lost: "h1" } };
  expect(lost({ kind: "in-sync", byHost: true })).toMatchObject([{ becomes: "waits", fix }]);
  expect(lost({ kind: "copying" })).toMatchObject([{ becomes: "waits", fix: null }]);
});
