import fc from "fast-check";
import { expect, test } from "vitest";
import {
  facts,
  heartbeat,
  held,
  host,
  incarnation,
  paused,
  plan,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { PoolId, StoreKey, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy } from "../../model/policy.ts";
import { systemActor, type VmStatus } from "../../model/records.ts";
import { limits } from "../limits.ts";
import { Ahead, type Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { foreseeMaintenance } from "./forecast.ts";

type Drawn = {
  readonly bandwidthMiBps: number | null;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly heardAgoMs: number;
  /** Of `web`; it runs where nothing is said. */
  readonly web?: VmStatus;
  /** It could not be moved to h2 so long ago; null: an earlier version's record does not say when. */
  readonly failedAgoMs?: number | null;
};

const wall = 100_000 as WallMs;

/** h1 holds `web` in the shared pool and `loc`, whose disk goes along; the two others are empty. */
function present({ bandwidthMiBps, memoryMiB, diskMiB, heardAgoMs, web, failedAgoMs }: Drawn): Present {
  const migration = { ...defaultPolicy.migration, bandwidthMiBps };
  const records = new Records().put(keys.policy, { ...defaultPolicy, migration });
  for (const kind of ["shared-dir", "local-dir"] as const) records.put(keys.pool(kind as PoolId), pool(kind, kind));
  const pools = ["shared-dir", "local-dir"].map((name) => ({
    ...{ pool: name as PoolId, capacityMiB: 10_000, freeMiB: 5_000, unfit: null },
  }));
  for (const name of ["h1", "h2", "h3"]) {
    records.host(name).put(keys.hostFacts(host(name)), facts({ memoryForVmsMiB: 4_096, pools }));
    records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  }
  for (const [name, kind] of [
    ["web", "shared-dir"],
    ["loc", "local-dir"],
  ] as const) {
    const known = vm(name, { memoryMiB, pool: kind });
    const disks = known.spec.disks.map((disk) => ({ ...disk, sizeMiB: diskMiB }));
    records
      .put(keys.vm(vmId(name)), { ...known, spec: { ...known.spec, disks } })
      .put(keys.owner(vmId(name)), { ...held("h1", 1, 4), ...(name === "loc" ? { liesOn: host("h1") } : {}) })
      .put(keys.vmStatus(vmId(name)), status("h1", 1, 4, "running"));
  }
  if (web !== undefined) records.put(keys.vmStatus(vmId("web")), web);
  if (failedAgoMs !== undefined) {
    const failed = { count: 1, to: host("h2"), code: "move-broke-off", targets: [host("h2")] };
    const at = failedAgoMs === null ? {} : { at: (wall - failedAgoMs) as WallMs };
    records.put(keys.vmPlan(vmId("web")), plan({ failedMoves: { ...failed, ...at } }));
  }
  const heard = new Map(["h1", "h2", "h3"].map((name) => [host(name), heardAgoMs]));
  return { view: records.view, wall, heardAgoMs: heard, durations: measureDurations([]) };
}

function toBeEmpty(ahead: Ahead): void {
  const text = JSON.stringify({ schema: 1, by: systemActor, reason: "", at: 0 });
  ahead.write({ compares: [], writes: [{ kind: "put", key: keys.maintenance(host("h1")), text }] });
}

function emptied(drawn: Drawn) {
  return foreseeMaintenance(present(drawn), host("h1"), toBeEmpty);
}

const drawn = fc.record({
  bandwidthMiBps: fc.option(fc.integer({ min: 1, max: 200 })),
  memoryMiB: fc.integer({ min: 16, max: 2_000 }),
  diskMiB: fc.integer({ min: 1, max: 2_000 }),
  heardAgoMs: fc.double({ min: 0, max: 900, noNaN: true }),
});

test("[FC1] whatever limit of moves is in force, each VM of an emptied host is foreseen to leave it", () => {
  fc.assert(
    fc.property(drawn, (one) => {
      const { vms } = emptied(one);
      expect(vms.map(({ vm: id, becomes, fix }) => [id, becomes, fix])).toEqual([
        [vmId("loc"), "moves", null],
        [vmId("web"), "moves", null],
      ]);
      for (const { to, afterMs, downMs } of vms) {
        expect(["h2", "h3"]).toContain(to);
        const least = one.bandwidthMiBps === null ? 0 : (one.memoryMiB / one.bandwidthMiBps) * 1_000;
        expect(afterMs).toBeGreaterThanOrEqual(least);
        expect([afterMs, downMs].every(Number.isSafeInteger)).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

test("[FC1] the limits that a person tried: none of them leaves a VM nowhere", () => {
  for (const bandwidthMiBps of [1, 5, 7, 10, 12, 13, 15, 20, 30, 33, 50, 100]) {
    const { vms } = emptied({ bandwidthMiBps, memoryMiB: 256, diskMiB: 200, heardAgoMs: 100 });
    expect([bandwidthMiBps, vms.map(({ becomes }) => becomes)]).toEqual([bandwidthMiBps, ["moves", "moves"]]);
  }
});

test("[FC1] what is foreseen as a record and is none ends the foresight: it is not passed over for a VM that starts nowhere", () => {
  const ahead = new Ahead(present({ bandwidthMiBps: null, memoryMiB: 64, diskMiB: 64, heardAgoMs: 0 }));
  const write = (since: number) => {
    const text = JSON.stringify({ ...status("h1", 1, 4, "running"), since });
    ahead.write({ compares: [], writes: [{ kind: "put", key: keys.vmStatus(vmId("web")) as StoreKey, text }] });
  };
  expect(() => write(1_000.5)).toThrow(/is no record: since/u);
  ahead.passTo(0.3);
  write(ahead.known().wall);
  expect(ahead.elapsedMs).toBe(1);
});

test("[FC1, HM1] a guest that stands still is stopped to leave a host, and that is foreseen with what it stands for", () => {
  const web = paused("h1", 1, 4, "storage-error");
  const { vms } = emptied({ bandwidthMiBps: null, memoryMiB: 64, diskMiB: 64, heardAgoMs: 0, web });
  expect(vms[1]).toMatchObject({
    ...{ vm: vmId("web"), becomes: "moves" },
    loses: { rule: "HM3", code: "loses-its-paused-run", params: { vm: "web", by: "storage-error" } },
  });
  expect(vms[0]).toMatchObject({ vm: vmId("loc"), becomes: "moves", loses: null });
});

test("[FC1, HM2] what failed a moment ago is waited for as the cluster will", () => {
  const course = (failedAgoMs?: number | null) => {
    const drawn = { bandwidthMiBps: null, memoryMiB: 64, diskMiB: 64, heardAgoMs: 0 };
    const { vms } = emptied(failedAgoMs === undefined ? drawn : { ...drawn, failedAgoMs });
    return vms.find(({ vm: one }) => one === vmId("web"));
  };
  const [never, old, justNow] = [course(), course(null), course(2_000)];
  for (const one of [never, old, justNow]) expect(one).toMatchObject({ becomes: "moves", to: host("h3") });
  expect(old?.afterMs).toBe(never?.afterMs);
  expect(justNow?.afterMs).toBe((never?.afterMs ?? 0) + limits.moveRetryFirstMs - 2_000);
  // Where nothing else happens meanwhile that wait is foreseen as well.
  const alone = present({ bandwidthMiBps: null, memoryMiB: 64, diskMiB: 64, heardAgoMs: 0, failedAgoMs: 2_000 });
  const view = { ...alone.view, vms: new Map([...alone.view.vms].filter(([id]) => id === vmId("web"))) };
  const { vms } = foreseeMaintenance({ ...alone, view }, host("h1"), (ahead) => toBeEmpty(ahead));
  expect(vms).toMatchObject([{ vm: vmId("web"), becomes: "moves", to: host("h3"), afterMs: justNow?.afterMs }]);
});
