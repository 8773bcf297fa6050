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
import type { Epoch, PoolId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { ReplicaState } from "../../model/replication-records.ts";
import type { Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { foreseeHostLoss } from "./forecast.ts";

const wall = 100_000 as WallMs;
const web = vmId("web");
const volume = "web-0" as VolumeId;

/** `web` runs on h1 from a local disk, with a copy in this state on h2; h3 has nothing of it. */
function present(state: ReplicaState, epoch = 4): Present {
  const local = "local" as PoolId;
  const records = new Records().put(keys.pool(local), pool("local", "local-dir"));
  for (const [i, name] of ["h1", "h2", "h3"].entries()) {
    const links = [{ kind: "management" as const, address: `10.91.0.${i + 1}`, subnet: "10.91.0.0/24" }];
    records
      .host(name, 1, { pools: [{ pool: local, capacityMiB: 1_000, freeMiB: 500, unfit: null }] })
      .put(keys.member(host(name)), member(name, { links }))
      .put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
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
  const heardAgoMs = new Map(["h1", "h2", "h3"].map((name) => [host(name), 100]));
  return { view: records.view, wall, heardAgoMs, durations: measureDurations([]) };
}

const lostWith = (state: ReplicaState, epoch?: number) => foreseeHostLoss(present(state, epoch), host("h1")).vms;

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
