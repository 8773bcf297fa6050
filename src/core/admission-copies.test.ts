import { expect, test } from "vitest";
import { facts, held, host, pool, Records, vm, vmId } from "../../test/support/records.ts";
import type { Epoch, GroupId, PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ReplicaState } from "../model/replication-records.ts";
import { type Admission, admissionOf } from "./admission.ts";
import { knowledgeOf } from "./placement/imagine.ts";

const names = ["web", "db"];
const local = "local" as PoolId;
const synchronous = { kind: "synchronous", boundMs: 2_000 };

type With = { readonly mode?: object; readonly paused?: readonly string[]; readonly refused?: boolean };

/** Two VMs on h1, copied to h2 by one group; h3 has nothing of them. */
function records(state: ReplicaState, { mode = synchronous, paused = [], refused = false }: With = {}): Records {
  const all = new Records().put(keys.pool(local), pool("local", "local-dir"));
  const pools = [{ pool: local, capacityMiB: 1_000, freeMiB: 500, unfit: null }];
  for (const name of ["h1", "h2", "h3"]) all.host(name, 1, { pools });
  const group = { schema: 1, name: "near", vms: names.map(vmId), source: "h1", target: "h2", points: null };
  all.put(keys.group("near" as GroupId), { ...group, mode, paused });
  for (const name of names) {
    const id = vmId(name);
    const volume = `vm-${name}-disk-0` as VolumeId;
    all.put(keys.vm(id), vm(name, { pool: "local" }));
    all.put(keys.owner(id), { ...held("h1", 1, 4), liesOn: host("h1") });
    all.put(keys.replica(id, volume, host("h2")), {
      ...{ schema: 1, vm: id, volume, host: host("h2"), receiver: null, epoch: 4 as Epoch, state },
    });
  }
  const copiesRefused = [{ vm: vmId("db"), code: "pool-full", params: { pool: "local", vm: "db" } }];
  return refused ? all.put(keys.hostFacts(host("h2")), facts({ pools, copiesRefused })) : all;
}

const found = ({ view }: Records): Admission =>
  admissionOf(view, knowledgeOf(view, new Set(["h1", "h2", "h3"].map(host)), 0 as WallMs));

test("[PL6, S17] while a group synchronizes: it is borne once its copies are complete, and nobody has to do anything", () => {
  const { bears, counterexample } = found(records({ kind: "copying" }));
  expect(bears).toBe(0);
  expect(counterexample).toMatchObject({
    ...{ losing: ["h1"], vm: "vm:db" },
    fix: { rule: "S17", code: "fix-copy-complete", params: { vm: "db", host: "h2" } },
  });
  expect(found(records({ kind: "in-sync" })).bears).toBe(1);
  const cycles = { kind: "asynchronous", everyS: 5, lossS: 10 };
  expect(found(records({ kind: "copying" }, { mode: cycles })).counterexample?.fix?.code).toBe("fix-copy-complete");
});

test("[PL6, S17] nothing is said of copies that nothing gets on with, or from which nothing would start by itself", () => {
  const never = { kind: "asynchronous", everyS: 5, lossS: null };
  for (const more of [{ paused: ["person"] }, { refused: true }, { mode: never }])
    expect({ more, fix: found(records({ kind: "copying" }, more)).counterexample?.fix }).toEqual({ more, fix: null });
  const paused = records({ kind: "copying" }, { paused: ["person"] });
  expect(paused.view.unreadable.size).toBe(0);
  // Complete, it would have no room there.
  const full = records({ kind: "copying" });
  full.put(keys.vm(vmId("db")), vm("db", { pool: "local", memoryMiB: 1_500 }));
  expect(found(full).counterexample?.fix).toBeNull();
});
