import { expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import {
  epoch,
  held,
  host,
  incarnation,
  move,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { GroupId, PoolId, VolumeId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { planCancelMove } from "./cancel-move.ts";

const db = vmId("db");
const cluster = () =>
  new Records()
    .host("h1")
    .host("h2")
    .put(keys.vm(db), vm("db"))
    .put(keys.owner(db), held("h1", 1, 4));
const moving = (more: Partial<VmMove>) => cluster().put(keys.vmMove(db), move("db", "h1", "h2", more));
const cancel = (records: Records, name = "db") => planCancelMove(records.view, name, asked);

test("[S15] a move of what runs fails in the record that the hand-over compares", () => {
  const stages: VmMove["live"][] = [
    { kind: "asked" },
    { kind: "waiting", incarnation: incarnation(1), doors: [], tls: true },
  ];
  for (const live of stages) {
    const planned = cancel(moving({ live }));
    expect(written(planned, keys.vmMove(db))).toMatchObject({ answer: { kind: "failed", code: "move-cancelled" } });
    expect(compared(planned)).toContain(keys.vmMove(db));
  }
});

test("an order that waits is taken back", () => {
  const order = { schema: 1, vm: db, order: { kind: "migrate", to: "h2" }, actor: asked.actor, at: asked.at };
  expect(written(cancel(cluster().put(keys.vmOrder(db), order)), keys.vmOrder(db))).toBe("delete");
});

test("[S15] once the VM has changed hands it is refused, and so is what is not there", () => {
  const switched = moving({ live: { kind: "switched", incarnation: incarnation(1) } });
  expect(codeOf(cancel(switched.put(keys.owner(db), held("h2", 1, 5))))).toBe("move-too-late-to-cancel");
  expect(codeOf(cancel(cluster()))).toBe("vm-not-moving");
  expect(codeOf(cancel(moving({})))).toBe("move-stops-already");
  expect(codeOf(cancel(moving({ epoch: epoch(2), live: { kind: "asked" } })))).toBe("vm-not-moving");
  expect(codeOf(cancel(cluster(), "nix"))).toBe("vm-unknown");
});

test("[S25] one that still runs, while its copy gets most of what it lacks, was not stopped yet", () => {
  const disk = { volume: "db-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
  const doors = [{ address: "10.0.0.2", port: 49_216 }];
  const cycle = { chain: "aaaaaaaaaaaa", sequence: 1, at: 0, point: "a-1" };
  const records = moving({ kind: "relocate", epoch: epoch(4) })
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(db), { ...vm("db"), spec: { ...vm("db").spec, disks: [disk] } })
    .put(keys.group("office" as GroupId), {
      ...{ schema: 1, name: "office", vms: [db], source: "h1", target: "h2", paused: [], createdAt: 0 },
      mode: { kind: "asynchronous", everyS: 3_600, lossS: 60 },
    })
    .put(keys.replica(db, disk.volume, host("h2")), {
      ...{ schema: 1, vm: db, volume: disk.volume, host: "h2", epoch: 4, state: { kind: "sealed", ...cycle } },
      receiver: { incarnation: 1, epoch: 4, doors, isAsLeft: false },
    });
  for (const name of ["h1", "h2"]) {
    const links = [{ kind: "availability", address: `10.0.0.${name.slice(1)}`, subnet: "10.0.0.0/24" }];
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
  }
  records.put(keys.vmStatus(db), status("h1", 1, 4, "stopping"));
  expect(codeOf(cancel(records))).toBe("move-stops-already");
  records.put(keys.vmStatus(db), status("h1", 1, 4, "running"));
  expect(written(cancel(records), keys.vmMove(db))).toMatchObject({ answer: { code: "move-cancelled" } });
});
