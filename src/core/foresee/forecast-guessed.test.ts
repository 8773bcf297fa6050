import { expect, test } from "vitest";
import {
  facts,
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
import type { PoolId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { foreseeHostLoss } from "./forecast.ts";
import { foreseeLinkLoss } from "./link.ts";

const pools = ["shared-dir", "replicated"] as const;

/** h1 holds `web`, which nobody takes before h1's power is cut, `free`, whose pool keeps h1 out, and `big`, which fits nowhere else. */
function present(): Present {
  const records = new Records();
  const there = pools.map((name) => ({ pool: name as PoolId, capacityMiB: 1_000, freeMiB: 500, unfit: null }));
  for (const name of ["h1", "h2", "h3"]) {
    const link = { kind: "management" as const, address: `10.91.0.${name.slice(1)}`, subnet: "10.91.0.0/24" };
    records
      .host(name)
      .put(keys.hostFacts(host(name)), facts({ memoryForVmsMiB: 1_000, pools: there }))
      .put(keys.member(host(name)), member(name, { links: [link] }))
      .put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  }
  for (const kind of pools) records.put(keys.pool(kind as PoolId), pool(kind, kind));
  records.put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fake", options: {} });
  for (const [name, kind, memoryMiB] of [
    ["big", "shared-dir", 2_000],
    ["free", "replicated", 64],
    ["web", "shared-dir", 64],
  ] as const)
    records
      .put(keys.vm(vmId(name)), vm(name, { pool: kind, memoryMiB }))
      .put(keys.owner(vmId(name)), held("h1", 1, 4))
      .put(keys.vmStatus(vmId(name)), status("h1", 1, 4, "running"));
  const heardAgoMs = new Map(["h1", "h2", "h3"].map((name) => [host(name), 100]));
  return { view: records.view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) };
}

const asked = {
  "host-loss": (now: Present) => foreseeHostLoss(now, host("h1")),
  "link-loss": (now: Present) => foreseeLinkLoss(now, "h1:management", { by: host("h1"), addresses: ["10.91.0.1"] }),
};

for (const [name, ask] of Object.entries(asked)) {
  const guessed = (now: Present) => {
    const found = ask(now);
    return "kind" in found ? found : found.vms.map((one) => [one.vm, one.becomes, one.guessed]);
  };
  test(`[FC1] ${name}: a power-off that was never measured is guessed for the VMs that wait for it, and for no other`, () => {
    expect(guessed(present())).toEqual([
      [vmId("big"), "waits", []],
      [vmId("free"), "restarts", ["start"]],
      [vmId("web"), "restarts", ["power-off", "start"]],
    ]);
  });

  test(`[FC1] ${name}: once it was measured nothing of it is guessed`, () => {
    const now = present();
    const usual = { ...now.durations.usual, "power-off": { ms: 400, samples: 1 } };
    expect(guessed({ ...now, durations: { ...now.durations, usual } })).toEqual([
      [vmId("big"), "waits", []],
      [vmId("free"), "restarts", ["start"]],
      [vmId("web"), "restarts", ["start"]],
    ]);
  });
}
