import { expect, test } from "vitest";
import { knowledge } from "../../../test/support/decision-rig.ts";
import {
  facts,
  heartbeat,
  held,
  host,
  incarnation,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { PoolId, StoreKey, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { systemActor } from "../../model/records.ts";
import { decideVms } from "../decide-vms.ts";
import { measureDurations } from "./durations.ts";
import { foreseeMaintenance } from "./forecast.ts";

const web = vmId("web");
const id = "pool" as PoolId;
const names = ["h1", "h2", "h3"];

type Drawn = {
  readonly kind: "shared-dir" | "local-dir";
  readonly only: string;
  readonly memory?: Record<string, number>;
};

/** `web` lies on h1; rule `pin` has it on `only` and nowhere else. `isFull`: no pool has room for a disk. */
function pinned({ kind, only, memory = {} }: Drawn, isFull = false): Records {
  const records = new Records().put(keys.pool(id), pool("pool", kind));
  for (const name of names) {
    const pools = [{ pool: id, capacityMiB: 1_000, freeMiB: isFull ? 10 : 500, unfit: null }];
    records.host(name).put(keys.hostFacts(host(name)), facts({ memoryForVmsMiB: memory[name] ?? 1_000, pools }));
    records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  }
  return records
    .put(keys.vm(web), vm("web", { pool: "pool", memoryMiB: 400 }))
    .put(keys.owner(web), { ...held("h1", 1, 4), ...(kind === "local-dir" ? { liesOn: host("h1") } : {}) })
    .put(keys.vmStatus(web), status("h1", 1, 4, "running"))
    .put(keys.rule("pin" as never), {
      ...{ schema: 1, id: "pin", kind: "host-affinity", vms: [web], hosts: [{ host: only, priority: 0 }] },
      ...{ strict: true, enabled: true, comment: "", createdAt: 0 },
    });
}

function maintained({ view }: Records) {
  const heardAgoMs = new Map(names.map((one) => [host(one), 100]));
  const text = JSON.stringify({ schema: 1, by: systemActor, reason: "", at: 0 });
  const key = keys.maintenance(host("h1")) as StoreKey;
  const now = { view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) };
  return foreseeMaintenance(now, host("h1"), (ahead) =>
    ahead.write({ compares: [], writes: [{ kind: "put", key, text }] }),
  ).vms;
}

const forbidden = { rule: "PL2", code: "host-not-allowed", params: { host: "h2", rules: "pin" } };
const without = { rule: "PL6", code: "fix-without-rule", params: { rule: "pin" } };

test("[FC1, PL2] a host that is full and forbidden as well is forbidden: nobody is sent to free room there in vain", () => {
  const full = pinned({ kind: "shared-dir", only: "h1", memory: { h2: 23 } });
  expect(maintained(full)).toMatchObject([{ vm: web, becomes: "stays", why: forbidden, fix: without }]);
  const noDisk = pinned({ kind: "local-dir", only: "h1" }, true);
  expect(maintained(noDisk)).toMatchObject([{ becomes: "stays", why: forbidden, fix: null }]);
  const onlyFull = pinned({ kind: "shared-dir", only: "h2", memory: { h2: 23 } });
  expect(maintained(onlyFull)).toMatchObject([{ why: { code: "host-memory-short", params: { host: "h2" } } }]);
});

test("[FC1] what starts nowhere as it is has the cause and the fix that are told of it today, whatever becomes of the host", () => {
  const free = { ...held("h1", 1, 4), kind: "released", failed: null, liesOn: host("h1") };
  const records = pinned({ kind: "local-dir", only: "h2" }).put(keys.owner(web), free);
  const today = decideVms(records.view, knowledge(records), [], new Set()).notices;
  const told = today
    .find(({ event: { type } }) => type === "vm-nowhere")
    ?.full?.()
    .alternatives.map(({ why }) => why);
  const here = { ...forbidden, params: { host: "h1", rules: "pin" } };
  expect(told).toEqual(expect.arrayContaining([here, without]));
  expect(maintained(records)).toMatchObject([{ vm: web, becomes: "waits", why: here, fix: without }]);
});
