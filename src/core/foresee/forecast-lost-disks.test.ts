import { describe, expect, test } from "vitest";
import { heartbeat, held, host, incarnation, pool, Records, status, vm, vmId } from "../../../test/support/records.ts";
import type { PoolId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { systemActor } from "../../model/records.ts";
import { admissionOf } from "../admission.ts";
import { knowledgeOf } from "../placement/imagine.ts";
import { measureDurations } from "./durations.ts";
import { foreseeHostLoss } from "./forecast.ts";

const local = "local" as PoolId;
const loc = vmId("loc");
const hosts = ["h1", "h2", "h3"];

/** `loc` runs on h1, with its disk in a local pool of which every host has one with so much room. */
function cluster(freeMiB = 500): Records {
  const records = new Records().put(keys.pool(local), pool("local", "local-dir"));
  for (const name of hosts)
    records
      .host(name, 1, { pools: [{ pool: local, capacityMiB: 1_000, freeMiB, unfit: null }] })
      .put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  return records
    .put(keys.vm(loc), vm("loc", { pool: "local" }))
    .put(keys.owner(loc), { ...held("h1", 1, 4), liesOn: host("h1") })
    .put(keys.vmStatus(loc), status("h1", 1, 4, "running"));
}

function lost({ view }: Records, name: string) {
  const heardAgoMs = new Map(hosts.map((one) => [host(one), 100]));
  return foreseeHostLoss({ view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) }, host(name));
}

const group = {
  ...{ schema: 1, name: "office", vms: [loc], source: "h1", target: "h2", points: null, paused: [], createdAt: 0 },
  mode: { kind: "synchronous", boundMs: 2_000 },
};
const disarm = { schema: 1, mode: "freeze", by: systemActor, at: 0 };
const why = { rule: "PL6", code: "disks-lie-on-host", params: { vm: "loc", lies: "h1" } };
const fix = { rule: "PL6", code: "fix-group", params: { vm: "loc", from: "h1", host: "h2" } };
const loses = { rule: "S14", code: "loses-until-host-is-back", params: { vm: "loc", host: "h1" } };

describe("[FC1] the host of a VM with a local disk is lost", () => {
  test("its disk is what is missing, a group would help, and nothing boots afresh", () => {
    const { course, vms } = lost(cluster(), "h1");
    expect(vms).toMatchObject([{ vm: loc, becomes: "waits", why, fix, loses }]);
    expect(course).toMatchObject([{ code: "forecast-host-not-fenced" }]);
    expect(
      admissionOf(cluster().view, knowledgeOf(cluster().view, new Set(hosts.map(host)), 0 as WallMs)),
    ).toMatchObject({ bears: 0, counterexample: { losing: ["h1"], vm: loc, why, fix } });
  });

  test("no group helps where nobody has room for the copy, or where it is in one that has no copy yet", () => {
    expect(lost(cluster(10), "h1").vms).toMatchObject([{ why, fix: null }]);
    expect(lost(cluster().put(keys.group("office" as never), group), "h1").vms).toMatchObject([
      { becomes: "waits", fix: null },
    ]);
  });

  test("what has no room for its memory is told so, and no group", () => {
    const records = cluster().put(keys.vm(loc), vm("loc", { pool: "local", memoryMiB: 9_000 }));
    expect(lost(records, "h1").vms).toMatchObject([{ why, fix: null }]);
  });

  test("in a cluster that is disarmed, too: armed again it would be missing all the same", () => {
    expect(lost(cluster().put(keys.disarm, disarm), "h1").vms).toMatchObject([
      { becomes: "waits", why, fix: { ...fix, code: "fix-group-and-arm" }, loses },
    ]);
  });
});

describe("[FC1] who is down after a loss boots nowhere", () => {
  const shared = "shared" as PoolId;
  const web = vmId("web");
  const withWeb = () =>
    cluster()
      .put(keys.pool(shared), pool("shared", "replicated"))
      .put(keys.vm(web), vm("web"))
      .put(keys.owner(web), held("h2", 1, 1))
      .put(keys.vmStatus(web), status("h2", 1, 1, "running"));
  const loses = { code: "loses-its-memory-and-waits", params: { vm: "web" } };

  test("where the cluster is disarmed", () => {
    const all = { pools: [local, shared].map((one) => ({ pool: one, capacityMiB: 9, freeMiB: 9, unfit: null })) };
    const records = withWeb();
    for (const name of hosts) records.host(name, 1, all);
    expect(lost(records, "h2").vms).toMatchObject([{ becomes: "restarts", loses: { code: "loses-its-memory" } }]);
    expect(lost(records.put(keys.disarm, disarm), "h2").vms).toMatchObject([
      { becomes: "waits", why: { code: "disarmed" }, fix: { code: "fix-arm" }, loses },
    ]);
  });

  test("where nobody can decide any more", () => {
    const records = withWeb();
    const { view } = records;
    const heardAgoMs = new Map([["h2", 100] as const, ["h1", 60_000] as const].map(([one, ms]) => [host(one), ms]));
    const { vms } = foreseeHostLoss(
      { view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) },
      host("h2"),
    );
    expect(vms.find(({ vm: id }) => id === web)).toMatchObject({ becomes: "waits", loses });
  });
});

test("[S8] an empty host is not fenced for anybody, and that is what is said", () => {
  expect(lost(cluster(), "h3")).toMatchObject({
    course: [{ rule: "S8", code: "forecast-host-empty", params: { host: "h3" } }],
    vms: [],
  });
});
