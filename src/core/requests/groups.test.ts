import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import { facts, held, host, pool, Records, vm, vmId } from "../../../test/support/records.ts";
import type { GroupId, PoolId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Group } from "../../model/replication-records.ts";
import { planDeleteVm } from "./change-vm.ts";
import { planCreateGroup, planDeleteGroup, planPauseGroup, planSetGroup } from "./groups.ts";

const links = (n: number) => [{ kind: "availability", address: `10.0.0.${n}`, subnet: "10.0.0.0/24" }];
const localPool = { pool: "local" as PoolId, capacityMiB: 1_000, freeMiB: 500, unfit: null };
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const office: Group = {
  schema: 1,
  name: "office" as GroupId,
  vms: [vmId("web")],
  source: host("h1"),
  target: host("h2"),
  mode: { kind: "synchronous", boundMs: 2_000 },
  points: null,
  paused: [],
  createdAt: 0 as WallMs,
};

/** h1 has `web` and `db` on disks of its own; h2 has such a pool, too; h3 is a witness. */
function cluster(): Records {
  const records = new Records().put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  for (const [i, name] of ["h1", "h2", "h3"].entries()) {
    records.host(name, 1, { pools: [localPool] });
    const role = name === "h3" ? "witness" : "host";
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role, links: links(i + 1), joinedAt: 0 });
  }
  for (const name of ["web", "db"]) {
    const known = vm(name);
    records.put(keys.vm(vmId(name)), { ...known, spec: { ...known.spec, disks: [disk] } });
    records.put(keys.owner(vmId(name)), held("h1", 1, 1));
  }
  return records;
}

const wanted = { group: "office", from: "h1", to: "h2", vms: ["web"], boundMs: 2_000 };
const grouped = () => cluster().put(keys.group(office.name), office);

test("a group is recorded with its VMs, and no other edit of groups comes in between", () => {
  const planned = planCreateGroup(cluster().view, wanted, asked);
  expect(written(planned, keys.group(office.name))).toMatchObject({ ...office, createdAt: asked.at });
  expect(compared(planned)).toEqual(expect.arrayContaining([keys.lastGroupEdit, keys.vm(vmId("web"))]));
  expect(written(planned, keys.lastGroupEdit)).toMatchObject({ requestId: "request-1" });
});

test.each<[string, Partial<typeof wanted>]>([
  ["group-one-host", { to: "h1" }],
  ["group-on-witness", { to: "h3" }],
  ["host-unknown", { to: "nix" }],
  ["vm-unknown", { vms: ["nix"] }],
  ["group-vm-twice", { vms: ["web", "web"] }],
  ["group-would-be-empty", { vms: [] }],
])("%s", (code, more) => {
  expect(codeOf(planCreateGroup(cluster().view, { ...wanted, ...more }, asked))).toBe(code);
});

describe("what could not be protected is refused before anything is copied", () => {
  const spec = (more: object) => {
    const known = vm("web");
    return { ...known, spec: { ...known.spec, disks: [disk], ...more } };
  };
  const there = (more: object) => (one: Records) =>
    one.put(keys.hostFacts(host("h2")), facts({ pools: [localPool], ...more }));
  test.each<[string, (records: Records) => Records]>([
    ["group-name-taken", (one) => one.put(keys.group(office.name), office)],
    ["group-vm-in-another", (one) => one.put(keys.group("shop" as GroupId), { ...office, name: "shop" })],
    ["replica-no-volumes", (one) => one.put(keys.vm(vmId("web")), spec({ disks: [] }))],
    [
      "group-vm-disks-shared",
      (one) =>
        one
          .put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"))
          .put(keys.vm(vmId("web")), spec({ disks: [disk, { ...disk, pool: "shared" }] })),
    ],
    ["group-vm-elsewhere", (one) => one.put(keys.owner(vmId("web")), held("h3", 1, 1))],
    ["group-pool-missing", there({ pools: [] })],
    ["group-pool-removable", there({ pools: [{ ...localPool, removable: true }] })],
    [
      "group-pool-removable",
      (one) => one.put(keys.hostFacts(host("h1")), facts({ pools: [{ ...localPool, removable: true }] })),
    ],
    [
      "group-links-one-subnet",
      (one) =>
        one.put(keys.member(host("h2")), {
          ...{ schema: 1, id: "h2", name: "h2", role: "host", joinedAt: 0 },
          links: [...links(2), { kind: "management", address: "10.0.0.12", subnet: "10.0.0.0/24" }],
        }),
    ],
    [
      "group-clocks-apart",
      (one) =>
        one
          .put(keys.hostFacts(host("h1")), facts({ pools: [localPool], clockOffsetMs: -1_500 }))
          .put(keys.hostFacts(host("h2")), facts({ pools: [localPool], clockOffsetMs: 500 })),
    ],
    ["group-target-too-small", there({ memoryForVmsMiB: 1 })],
    ["group-no-room", there({ pools: [{ ...localPool, freeMiB: 63 }] })],
    [
      "group-no-link",
      (one) =>
        one.put(keys.member(host("h2")), {
          ...{ schema: 1, id: "h2", name: "h2", role: "host", joinedAt: 0 },
          links: [{ kind: "availability", address: "10.9.0.2", subnet: "10.9.0.0/24" }],
        }),
    ],
  ])("%s", (code, change) => {
    expect(codeOf(planCreateGroup(change(cluster()).view, wanted, asked))).toBe(code);
  });
});

test("VMs come in and go out; a group is paused and resumed once each, and deleted", () => {
  const { view } = grouped();
  const more = planSetGroup(view, { group: "office", addVms: ["db"], removeVms: ["web"], boundMs: 5_000 }, asked);
  expect(written(more, keys.group(office.name))).toMatchObject({ vms: ["vm:db"], mode: { boundMs: 5_000 } });
  expect(codeOf(planSetGroup(view, { group: "office", removeVms: ["db"] }, asked))).toBe("group-vm-not-in-it");
  expect(codeOf(planSetGroup(view, { group: "office", boundMs: 2_000 }, asked))).toBe("group-nothing-to-change");
  expect(written(planPauseGroup(view, "office", true, asked), keys.group(office.name))).toMatchObject({
    paused: ["asked"],
  });
  expect(codeOf(planPauseGroup(view, "office", false, asked))).toBe("group-not-paused");
  expect(
    written(
      planDeleteGroup(view, { group: "office" }, asked, () => "up"),
      keys.group(office.name),
    ),
  ).toBe("delete");
  expect(codeOf(planDeleteGroup(view, { group: "nix" }, asked, () => "up"))).toBe("group-unknown");
});

test("room and resumption are chosen, changed and taken back; what does not fit is refused", () => {
  const { view } = cluster();
  const key = keys.group(office.name);
  const made = planCreateGroup(view, { ...wanted, quotaMiB: 64, resume: "manual" }, asked);
  expect(written(made, key)).toMatchObject({ quotaMiB: 64, manualResume: true });
  expect(codeOf(planCreateGroup(view, { ...wanted, quotaMiB: 63 }, asked))).toBe("group-quota-too-small");
  const limited = cluster().put(key, { ...office, quotaMiB: 100, manualResume: true });
  expect(codeOf(planSetGroup(limited.view, { group: "office", addVms: ["db"] }, asked))).toBe("group-quota-too-small");
  const lifted = planSetGroup(limited.view, { group: "office", quotaMiB: null, resume: "automatic" }, asked);
  expect(written(lifted, key)).not.toHaveProperty("quotaMiB");
  expect(written(lifted, key)).not.toHaveProperty("manualResume");
  expect(codeOf(planSetGroup(limited.view, { group: "office", quotaMiB: 100 }, asked))).toBe("group-nothing-to-change");
});

test("a copy that was left behind is resumed by hand once, whichever clock is ahead", () => {
  const at = (asked.at + 60_000) as WallMs;
  const stale = (more: object) =>
    grouped().put(keys.replica(vmId("web"), disk.volume, host("h2")), {
      ...{ schema: 1, vm: vmId("web"), volume: disk.volume, host: host("h2"), epoch: 1, receiver: null },
      state: { kind: "stale", cause: "silent", whole: true, at },
      ...more,
    });
  expect(codeOf(planPauseGroup(stale({}).view, "office", false, asked))).toBe("group-not-paused");
  const manual = stale({}).put(keys.group(office.name), { ...office, manualResume: true });
  const resumed = written(planPauseGroup(manual.view, "office", false, asked), keys.group(office.name));
  expect(resumed).toMatchObject({ resumedAt: at + 1 });
  manual.put(keys.group(office.name), resumed as Group);
  expect(codeOf(planPauseGroup(manual.view, "office", false, asked))).toBe("group-not-paused");
});

test("a VM that is protected is not deleted", () => {
  const records = grouped().put(keys.owner(vmId("web")), {
    ...{ schema: 1, kind: "released", host: "h1", epoch: 1, failed: null, failedHosts: [] },
  });
  const known = vm("web", { requested: "stopped" });
  records.put(keys.vm(vmId("web")), { ...known, spec: { ...known.spec, disks: [disk] } });
  expect(codeOf(planDeleteVm(records.view, "web", asked))).toBe("vm-in-group");
});

test("[S25] a group copies in cycles, and is changed from the one to the other; what is of the other mode is refused", () => {
  const cycles = { ...wanted, boundMs: undefined, mode: "asynchronous", everyS: 5, lossS: 60 } as const;
  expect(written(planCreateGroup(cluster().view, cycles, asked), keys.group(office.name))).toMatchObject({
    mode: { kind: "asynchronous", everyS: 5, lossS: 60 },
  });
  const { view } = grouped();
  const turned = planSetGroup(view, { group: "office", mode: "asynchronous" }, asked);
  expect(written(turned, keys.group(office.name))).toMatchObject({
    mode: { kind: "asynchronous", everyS: 60, lossS: null },
  });
  expect(codeOf(planSetGroup(view, { group: "office", everyS: 5 }, asked))).toBe("group-not-in-cycles");
  expect(codeOf(planCreateGroup(cluster().view, { ...cycles, boundMs: 500 }, asked))).toBe("group-in-cycles");
  const mode = { kind: "asynchronous", everyS: 5, lossS: 60 } as const;
  const known = cluster().put(keys.group(office.name), { ...office, mode });
  const less = planSetGroup(known.view, { group: "office", lossS: null }, asked);
  expect(written(less, keys.group(office.name))).toMatchObject({ mode: { everyS: 5, lossS: null } });
});

test("[S25] cycles that are further apart than what may be lost are refused, not what an earlier version allowed", () => {
  const cycles = { ...wanted, boundMs: undefined, mode: "asynchronous", everyS: 5 } as const;
  expect(codeOf(planCreateGroup(cluster().view, { ...cycles, lossS: 3 }, asked))).toBe("group-loss-below-cycles");
  expect(
    written(planCreateGroup(cluster().view, { ...cycles, lossS: 5 }, asked), keys.group(office.name)),
  ).toBeDefined();
  const grouped = (lossS: number) =>
    cluster().put(keys.group(office.name), { ...office, mode: { kind: "asynchronous", everyS: 5, lossS } }).view;
  expect(codeOf(planSetGroup(grouped(60), { group: "office", everyS: 61 }, asked))).toBe("group-loss-below-cycles");
  const other = planSetGroup(grouped(3), { group: "office", quotaMiB: 100_000 }, asked);
  expect(written(other, keys.group(office.name))).toMatchObject({ mode: { everyS: 5, lossS: 3 }, quotaMiB: 100_000 });
});

test("a group whose VMs all lie on the host that was to take their copies is refused, and told the way that they go", () => {
  const turned = planCreateGroup(cluster().view, { ...wanted, from: "h2", to: "h1", vms: ["web", "db"] }, asked);
  expect(turned).toMatchObject({ code: "group-turned-round", params: { vms: "web, db", from: "h2", to: "h1" } });
  const records = cluster().put(keys.owner(vmId("db")), held("h2", 1, 1));
  // Each of them goes its own way.
  expect(planCreateGroup(records.view, { ...wanted, vms: ["web", "db"] }, asked).kind).toBe("plan");
});

test("[S17] no group takes a copy over that its earlier group took with it, before that is gone or while nothing else is left", () => {
  const records = cluster().put(keys.replica(vmId("web"), disk.volume, host("h2")), {
    ...{ schema: 1, vm: "web", volume: disk.volume, host: "h2", epoch: 1, receiver: null, toRemove: true },
    state: { kind: "stale", cause: "order", whole: true, at: 0 },
  });
  const { view } = records;
  const add = (sight: () => "up" | "silent") =>
    planSetGroup(grouped().view, { group: "office", addVms: ["db"] }, asked, sight).kind;
  expect(codeOf(planCreateGroup(view, wanted, asked, () => "up"))).toBe("group-copies-going");
  expect(planCreateGroup(view, wanted, asked, () => "silent").kind).toBe("plan");
  expect([add(() => "up"), planCreateGroup(cluster().view, wanted, asked, () => "up").kind]).toEqual(["plan", "plan"]);
  for (const [key, { value }] of view.replicas) records.put(key, { ...value, toRemove: undefined });
  expect(planCreateGroup(records.view, wanted, asked, () => "up").kind).toBe("plan");
});
