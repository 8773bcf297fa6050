import { afterEach, beforeEach, expect, test } from "vitest";
import type { z } from "zod";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { contract } from "../../src/api/contract/index.ts";
import type { GroupId, PoolId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { ReplicaState } from "../../src/model/replication-records.ts";
import { type ApiHost, failure, startApiHost } from "../support/api-host.ts";
import { begin, outputOf } from "../support/cli-run.ts";
import { facts, held, host, pool, vm, vmId } from "../support/records.ts";

let api: ApiHost;
let client: Client;
const web = vmId("web");
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const group = { group: "office", from: "h1", to: "h2", vms: ["web"] };

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
  await api.put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    await api.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
    const pools = [{ pool: "local" as PoolId, capacityMiB: 1_000, freeMiB: 500, unfit: null }];
    await api.put(keys.hostFacts(host(name)), facts({ pools }));
  }
  const known = vm("web");
  await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } });
  await api.put(keys.owner(web), held("h1", 1, 4));
});
afterEach(async () => {
  await api.close();
});

const copyAt = (at: string, state: ReplicaState) =>
  api.put(keys.replica(web, disk.volume, host(at)), {
    ...{ schema: 1, vm: web, volume: disk.volume, host: at, epoch: 4, receiver: null },
    state,
  });
const copyIs = (state: ReplicaState) => copyAt("h2", state);

test("one word for a group, with its reasons, its progress, and what is at risk", async () => {
  expect((await client.group.create(group)).group).toMatchObject({
    ...{ status: "Error", boundMs: 2_000, from: { name: "h1" }, to: { name: "h2" } },
    reasons: [{ code: "group-vm-unprotected" }],
    vms: [{ name: "web", copy: "none", on: { name: "h1" }, copyOn: { name: "h2" } }],
  });
  await copyIs({ kind: "copying" });
  const copying = { schema: 1, epoch: 4, to: "h2", percent: 40, mibPerSecond: 10, remainingMiB: 30, at: 0 };
  await api.put(keys.vmCopying(web), copying);
  expect((await client.group.show({ group: "office" })).group).toMatchObject({
    status: "Synchronizing",
    vms: [{ copying: { percent: 40, remainingMiB: 30, remainingMs: 3_000 }, aloneMs: null }],
  });
  expect((await client.task.list()).tasks).toMatchObject([
    { kind: "copy-vm", vmName: "web", toName: "h2", percent: 40 },
  ]);
  expect(await holdfast("task", "list").then(({ out }) => out)).toMatch(
    /web +copy-vm +h2 +40 % .*is being copied to host h2/u,
  );
  // All is copied, and nothing confirmed yet; or it is what was noted of an earlier copy.
  await api.put(keys.vmCopying(web), { ...copying, percent: 100, remainingMiB: 0 });
  expect((await client.group.show({ group: "office" })).group.vms[0]).toMatchObject({ copy: "copying", copying: null });
  await api.put(keys.vmCopying(web), { ...copying, remainingMiB: 0 });
  await copyIs({ kind: "in-sync" });
  expect((await client.group.list()).groups).toMatchObject([{ name: "office", status: "Normal", reasons: [] }]);
  await copyIs({ kind: "stale", cause: "silent", whole: true, at: (Date.now() - 5_000) as WallMs });
  // How far it was before it was left behind says nothing of what it lacks since.
  expect((await client.group.show({ group: "office" })).group.vms[0]?.atRiskMiB).toBeNull();
  await api.put(keys.vmCopying(web), { ...copying, at: Date.now() });
  const { group: left } = await client.group.show({ group: "office" });
  expect(left).toMatchObject({ status: "Warning", reasons: [{ code: "group-vm-stale" }], vms: [{ atRiskMiB: 30 }] });
  expect(left.vms[0]?.aloneMs).toBeGreaterThanOrEqual(5_000);
  expect((await client.cluster.status()).checks).toContainEqual(
    expect.objectContaining({ id: "group-vm-stale", subject: "office", level: "warn" }),
  );
  expect((await client.group.pause({ group: "office" })).group.status).toBe("Paused");
  expect((await client.group.resume({ group: "office" })).group.status).toBe("Warning");
  // The answer to a pause waits until its host has said so; what else looks meanwhile is told what is so.
  await copyIs({ kind: "in-sync" });
  const pausing = client.group.pause({ group: "office" });
  await expect.poll(() => holdfast("group", "show", "office").then(({ out }) => out)).toContain("told of the pause");
  await copyIs({ kind: "stale", cause: "order", whole: true, at: Date.now() as WallMs });
  expect((await pausing).group).toMatchObject({ status: "Paused", vms: [{ copy: "stale", aloneBy: "record" }] });
  await client.group.resume({ group: "office" });
  expect(await client.group.delete({ group: "office", replicas: "keep" })).toEqual({ name: "office" });
  expect(await failure(client.group.show({ group: "office" }))).toMatchObject({ code: "group-unknown" });
});

test("[S15, S17] a group is switched over where every copy has every write, to one of its hosts, and not twice", async () => {
  await client.group.create(group);
  await copyIs({ kind: "copying" });
  const to = (name: string) => failure(client.group.switchover({ group: "office", to: name }));
  expect(await to("h2")).toMatchObject({ code: "group-switch-copy-behind", params: { vm: "web", host: "h2" } });
  expect(await to("h1")).toMatchObject({ code: "group-already-there" });
  expect(await to("nix")).toMatchObject({ code: "host-unknown" });
  await client.group.pause({ group: "office" });
  expect(await to("h2")).toMatchObject({ code: "group-not-copying" });
  await client.group.resume({ group: "office" });
  const one = (vm: string) => failure(client.group.switchover({ group: "office", to: "h2", vm }));
  expect(await one("nix")).toMatchObject({ code: "vm-unknown" });
  expect(await one("web")).toMatchObject({ code: "group-switch-copy-behind", params: { vm: "web" } });
  const behind = await holdfast("group", "failover", "office", "--planned", "--vm", "web");
  expect([behind.code, behind.err]).toEqual([1, expect.stringContaining("group-switch-copy-behind")]);
  await copyIs({ kind: "in-sync" });
  const asked = { group: "office", to: "h2", requestId: "switch-office-1" };
  const { tasks } = await client.group.switchover(asked);
  expect(tasks).toMatchObject([{ kind: "move-vm", vm: web, toName: "h2" }]);
  expect((await client.group.switchover(asked)).notes).toEqual([]);
  expect((await client.group.switchover(asked)).tasks.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
});

test("[S18] what a failover by hand would lose is shown first, and the order has to say it as it is", async () => {
  await client.group.create(group);
  // This API's own host is up, and takes the VM of the other one.
  expect(await failure(client.group.losses({ group: "office", to: "h2" }))).toMatchObject({ code: "failover-host-up" });
  const released = { schema: 1, kind: "released", host: "h2", epoch: 4, failed: null, failedHosts: [] };
  await api.put(keys.owner(web), released);
  await copyAt("h1", { kind: "stale", cause: "silent", whole: true, at: (Date.now() - 9_000) as WallMs });
  const { vms } = await client.group.losses({ group: "office", to: "h1" });
  expect(vms).toMatchObject([
    { name: "web", to: { name: "h1" }, code: "replica-stale", proof: "not-needed", lostMiB: null },
  ]);
  const [loss] = vms;
  expect(loss?.lostMs).toBeGreaterThanOrEqual(9_000);
  const order = (accept: readonly string[]) =>
    client.group.failover({ group: "office", to: "h1", accept: [...accept] });
  expect(await failure(order(["web@1"]))).toMatchObject({ code: "failover-not-accepted" });
  expect(await failure(client.group.losses({ group: "office", to: "h1", vm: "nix" }))).toMatchObject({
    code: "vm-unknown",
  });
  const one = await client.group.losses({ group: "office", to: "h1", vm: "web" });
  expect(one.vms.map(({ accept }) => accept)).toEqual([loss?.accept]);
  const shown = await holdfast("group", "failover", "office", "--to", "h1", "--vm", "web");
  expect([shown.code, shown.out, shown.err]).toEqual([
    ...[1, expect.stringMatching(/web +h1 +replica-stale/u), expect.stringContaining(`--accept ${loss?.accept}`)],
  ]);
  await copyAt("h1", { kind: "stale", cause: "silent", whole: true, at: (Date.now() - 1_000) as WallMs });
  expect(await failure(order([loss?.accept ?? ""]))).toMatchObject({ code: "failover-not-accepted" });
  const [now] = (await client.group.losses({ group: "office", to: "h1" })).vms;
  await order([now?.accept ?? ""]);
  expect((await client.vm.show({ vm: "web" })).vm.order).toMatchObject({ kind: "promote", to: "h1" });
  await copyAt("h1", { kind: "copying" });
  expect(await failure(client.group.losses({ group: "office", to: "h1" }))).toMatchObject({ code: "failover-no-copy" });
});

test("[S18] one VM of a group fails over, or is switched over, whatever keeps the others", async () => {
  const db = vmId("db");
  const known = vm("db");
  await api.put(keys.vm(db), { ...known, spec: { ...known.spec, disks: [{ ...disk, volume: "db-0" as VolumeId }] } });
  const released = { schema: 1, kind: "released", host: "h1", epoch: 4, failed: null, failedHosts: [] };
  await api.put(keys.owner(db), held("h1", 1, 4));
  await client.group.create({ ...group, vms: ["web", "db"] });
  await api.put(keys.owner(db), released);
  await api.put(keys.owner(web), released);
  await copyIs({ kind: "stale", cause: "silent", whole: true, at: (Date.now() - 9_000) as WallMs });
  const all = { group: "office", to: "h2" };
  expect(await failure(client.group.losses(all))).toMatchObject({ code: "failover-no-copy", params: { vm: "db" } });
  const { vms } = await client.group.losses({ ...all, vm: "web" });
  expect(vms.map(({ name }) => name)).toEqual(["web"]);
  await client.group.failover({ ...all, vm: "web", accept: [vms[0]?.accept ?? ""] });
  expect((await client.vm.show({ vm: "web" })).vm.order).toMatchObject({ kind: "promote", to: "h2" });
  expect((await client.vm.show({ vm: "db" })).vm.order).toBeNull();
  await copyIs({ kind: "in-sync" });
  expect((await client.group.switchover({ ...all, vm: "web", manner: "stopped" })).tasks).toMatchObject([{ vm: web }]);
  expect(await failure(client.group.switchover({ ...all, manner: "stopped" }))).toMatchObject({ params: { vm: "db" } });
});

test("[S18] the replicas go with their group only by word, not what nobody else has, nor what may be the last of a VM", async () => {
  await client.group.create(group);
  const remove = () => failure(client.group.delete({ group: "office", replicas: "remove" }));
  await copyIs({ kind: "diverged", at: 5 as WallMs, kept: true });
  expect(await remove()).toMatchObject({ code: "group-replicas-branch", params: { vm: "web", host: "h2" } });
  await copyIs({ kind: "in-sync" });
  await api.put(keys.owner(web), held("h9", 1, 4));
  expect(await remove()).toMatchObject({ code: "group-replicas-needed", params: { vm: "web", lost: "h9" } });
  await api.put(keys.owner(web), held("h1", 1, 4));
  const before = api.view().groups.get("office" as GroupId)?.value ?? {};
  await client.group.delete({ group: "office", replicas: "remove", accept: true });
  const marks = () => [...api.view().replicas.values()].map(({ value }) => value.toRemove);
  expect(marks()).toEqual([true]);
  const params = { vm: "web", host: "h2", group: "office" };
  expect(await failure(client.group.create(group))).toMatchObject({ code: "group-copies-going", params });
  // Of a VM whose own host may be lost they may be all there is: it may be protected by them again, and so they may be kept.
  await api.put(keys.owner(web), held("h9", 1, 4));
  await api.put(keys.group("office" as GroupId), before);
  await client.group.delete({ group: "office", replicas: "keep", accept: true });
  expect(marks()).toEqual([undefined]);
});

test("[FC2] what a copy would take over at a loss is not given away unseen, neither with its group nor alone; what it would not already, is", async () => {
  await client.group.create(group);
  await copyIs({ kind: "in-sync" });
  const end = (accept?: boolean) => failure(client.group.delete({ group: "office", replicas: "keep", accept }));
  const params = { vm: "web", group: "office", host: "h1", copy: "h2", more: 0 };
  expect(await end()).toMatchObject({ code: "edit-group-protects", params });
  expect((await client.group.list()).groups).toHaveLength(1);
  await copyIs({ kind: "stale", cause: "silent", whole: true, at: 5 as WallMs });
  expect(await end()).toEqual({ name: "office" });
  await client.group.create(group);
  await copyIs({ kind: "in-sync" });
  const refused = await holdfast("group", "delete", "office", "--replicas", "keep");
  expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/--accept[\s\S]+edit-group-protects/u)]);
  expect(await end(true)).toEqual({ name: "office" });
  expect((await holdfast("log")).out).toContain("What group delete would break was accepted (1 in all)");
  const db = vmId("db");
  await api.put(keys.vm(db), { ...vm("db"), spec: { ...vm("db").spec, disks: [{ ...disk, volume: "db-0" }] } });
  await api.put(keys.owner(db), held("h1", 1, 4));
  await client.group.create({ ...group, vms: ["web", "db"] });
  const cycles = ["group", "set", "office", "--mode", "async", "--every", "5s"];
  expect((await holdfast(...cycles)).err).toContain("edit-group-protects");
  expect((await holdfast(...cycles, "--allow-loss", "60s")).err).toBe("");
  expect((await holdfast("group", "set", "office", "--allow-loss", "none", "--accept")).err).toBe("");
  // Nothing is given up by what does not touch it, whatever the group allows.
  expect((await holdfast("group", "set", "office", "--quota", "1G")).err).toBe("");
  expect((await holdfast("group", "set", "office", "--mode", "sync")).err).toBe("");
  const out = ["group", "set", "office", "--remove-vm", "web"];
  expect((await holdfast(...out)).err).toContain("edit-group-protects");
  expect((await holdfast("group", "set", "office", "--remove-vm", "db")).err).toBe("");
  await client.group.set({ group: "office", addVms: ["db"] });
  expect((await holdfast(...out, "--accept")).err).toBe("");
});

test("[S20] a VM that runs goes back by an order that says that it is stopped for it", async () => {
  await client.group.create(group);
  const point = { schema: 1, vm: web, host: "h2", at: Date.now() - 90_000, origin: "hand", consistency: "crash" };
  await api.put(keys.point(web, "p1"), { ...point, id: "p1", sizeMiB: 3, proof: null });
  await copyIs({ kind: "copying" });
  const order = { group: "office", to: "h2", vm: "web", point: "p1" };
  expect((await client.group.losses(order)).vms).toMatchObject([
    { stops: true, proof: "not-needed", accept: "web@p1" },
  ]);
  expect(await failure(client.group.failover({ ...order, accept: [] }))).toMatchObject({
    code: "failover-not-accepted",
  });
  await client.group.failover({ ...order, accept: ["web@p1"] });
  expect(api.view().orders.get(web)?.value.order).toMatchObject({ kind: "promote", point: "p1", stops: true });
});

test("[S20] one VM goes back to an earlier point where it does not run, with what that loses accepted", async () => {
  await client.group.create(group);
  const point = { schema: 1, vm: web, host: "h2", at: Date.now() - 90_000, origin: "schedule", consistency: "crash" };
  for (const [id, more] of Object.entries({ p1: {}, b1: { origin: "branch-kept" }, far: { host: "h1" } }))
    await api.put(keys.point(web, id), { ...point, id, sizeMiB: 3, proof: null, ...more });
  const losses = (id: string, to = "h2") => client.group.losses({ group: "office", to, point: id });
  const web1 = api.view().vms.get(web)?.value;
  await api.put(keys.vm(web), { ...web1, lock: { kind: "backup", at: 0 } });
  expect(await failure(losses("p1"))).toMatchObject({ code: "failover-vm-runs", params: { vm: "web", host: "h1" } });
  await api.put(keys.vm(web), { ...web1, lock: null });
  const released = { schema: 1, kind: "released", host: "h1", epoch: 4, failed: null, failedHosts: [] };
  await api.put(keys.owner(web), released);
  expect(await failure(losses("nix"))).toMatchObject({ code: "point-unknown" });
  expect(await failure(losses("p1"))).toMatchObject({ code: "failover-point-not-there" });
  await copyIs({ kind: "copying" });
  expect(await failure(losses("b1"))).toMatchObject({ code: "failover-point-not-there" });
  expect(await failure(losses("far"))).toMatchObject({ code: "failover-point-not-there" });
  const { vms } = await losses("p1");
  expect(vms).toMatchObject([{ code: "earlier-point", point: "p1", proof: "not-needed", accept: "web@p1" }]);
  expect(vms[0]?.lostMs).toBeGreaterThanOrEqual(90_000);
  const line = ["group", "failover", "office", "--vm", "web", "--to-point", "p1"];
  const shown = await holdfast(...line);
  expect([shown.code, shown.out, shown.err]).toEqual([
    ...[1, expect.stringMatching(/web +h2 +earlier-point/u), expect.stringContaining("--accept web@p1")],
  ]);
  expect((await holdfast(...line, "--accept", "web@p2")).err).toContain("failover-not-accepted");
  const done = await holdfast(...line, "--accept", "web@p1");
  expect([done.code, done.err]).toEqual([0, ""]);
  expect(api.view().orders.get(web)?.value.order).toMatchObject({ kind: "promote", to: "h2", point: "p1" });
  expect(await failure(client.point.drop({ vm: "web", point: "p1" }))).toMatchObject({ code: "point-awaited" });
  await api.put(keys.vm(vmId("db")), { ...vm("db"), spec: { ...vm("db").spec, disks: [{ ...disk, volume: "db-0" }] } });
  await api.put(keys.owner(vmId("db")), released);
  await client.group.set({ group: "office", addVms: ["db"] });
  expect(await failure(losses("p1"))).toMatchObject({ code: "failover-point-of-one", params: { count: 2 } });
});

test("[S20] of a group of one VM the newest point is that VM's, whoever else has points", async () => {
  await client.group.create(group);
  await copyIs({ kind: "copying" });
  const point = { schema: 1, host: "h2", origin: "schedule", consistency: "crash", sizeMiB: 3, proof: null };
  await api.put(keys.point(web, "p1"), { ...point, vm: web, id: "p1", at: Date.now() - 90_000 });
  // Of another group, at another host, and the last by its name.
  const other = vmId("zoo");
  await api.put(keys.vm(other), { ...vm("zoo"), spec: { ...vm("zoo").spec, disks: [{ ...disk, volume: "zoo-0" }] } });
  await api.put(keys.point(other, "z1"), { ...point, vm: other, id: "z1", host: "h1", at: Date.now() });
  const shown = await holdfast("group", "failover", "office", "--to-point", "newest");
  expect([shown.code, shown.out, shown.err]).toEqual([
    ...[1, expect.stringMatching(/web +h2 +earlier-point/u), expect.stringContaining("--accept web@p1")],
  ]);
});

const holdfast = (...line: readonly string[]) => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;

test("the command: create, list, show, set, pause, resume and delete", async () => {
  const created = await holdfast("group", "create", "office", "--from", "h1", "--to", "h2", "--vm", "web");
  expect([created.code, created.err]).toEqual([0, ""]);
  expect(created.out).toMatch(/^Group office was created\.\nGroup +office\nStatus +Error\nDirection +h1 to h2\n/u);
  expect(created.out).toContain("VM web has no copy of all its disks on host h2.");
  await copyIs({ kind: "in-sync" });
  expect((await holdfast("group", "list")).out).toMatch(/office +Normal +h1 to h2 +web\n/u);
  expect((await holdfast("group", "set", "office", "--bound-ms", "5000")).out).toContain("waits 5000 ms at most");
  const chosen = await holdfast("group", "set", "office", "--quota", "1G", "--resume", "manual");
  expect(chosen.out).toMatch(/Room +\d+ MiB of 1024 MiB\nResume +by hand\n/u);
  expect((await holdfast("group", "set", "office", "--quota", "none")).out).toContain("of what both hosts have free");
  expect((await holdfast("group", "set", "office", "--quota", "lots")).err).toContain("Give a size such as");
  expect((await holdfast("group", "pause", "office")).out).toMatch(/^Group office was paused\.\n/u);
  expect((await holdfast("group", "pause", "office")).err).toContain("group-paused-already");
  expect((await holdfast("group", "resume", "office")).code).toBe(0);
  expect((await holdfast("vm", "delete", "web")).code).toBe(1);
  expect((await holdfast("group", "delete", "office")).err).toContain("group-replicas-unsaid");
  expect((await holdfast("group", "delete", "office", "--replicas", "some")).code).toBe(2);
  const deleted = await holdfast("group", "delete", "office", "--replicas", "keep", "--accept");
  expect(deleted.out).toMatch(/^Group office was deleted/u);
  expect((await holdfast("log")).out).toContain("Availability group office was deleted");
});

test("[S25] a group in cycles says how often, what it may lose, and how far each copy is behind", async () => {
  const line = ["group", "create", "office", "--from", "h1", "--to", "h2", "--vm", "web", "--mode", "async"];
  const created = await holdfast(...line, "--every", "5s", "--allow-loss", "1m");
  expect([created.code, created.err]).toEqual([0, ""]);
  expect(created.out).toContain("asynchronous, every 5 s; failover by itself where at most 60 s are lost");
  const sealed = { kind: "sealed", chain: "ffffff012345", sequence: 1, point: "p1" } as const;
  await copyIs({ ...sealed, at: (Date.now() - 3_000) as WallMs });
  const { group: fresh } = await client.group.show({ group: "office" });
  expect(fresh).toMatchObject({ status: "Normal", everyS: 5, lossS: 60, boundMs: null, vms: [{ copy: "sealed" }] });
  expect(fresh.vms[0]?.lagMs).toBeGreaterThanOrEqual(3_000);
  await copyIs({ ...sealed, at: (Date.now() - 40_000) as WallMs });
  expect((await holdfast("group", "list")).out).toMatch(/office +Warning +h1 to h2 +4\d s +web\n/u);
  expect((await client.cluster.status()).checks).toContainEqual(
    expect.objectContaining({ id: "group-vm-lags", subject: "office", level: "warn" }),
  );
  const switched = await holdfast("group", "switchover", "office", "--to", "h2");
  expect([switched.code, switched.err]).toEqual([1, expect.stringContaining("group-switch-in-cycles")]);
  expect(switched.err).toContain("holdfast group failover office --planned");
  // 40 s behind and 60 s allowed: its host's loss would be answered now (FC2).
  expect((await holdfast("group", "set", "office", "--allow-loss", "10s")).err).toContain("edit-group-protects");
  const byOrder = ["group", "set", "office", "--allow-loss", "none"];
  expect((await holdfast(...byOrder)).err).toContain("edit-group-protects");
  expect((await holdfast("group", "set", "office", "--allow-loss", "50s")).err).toBe("");
  expect((await holdfast(...byOrder, "--accept")).out).toContain("only by order");
  expect((await holdfast("group", "set", "office", "--bound-ms", "500")).err).toContain("group-in-cycles");
  expect((await holdfast("group", "set", "office", "--mode", "sync")).out).toContain("a write waits 2000 ms at most");
  expect((await holdfast("group", "set", "office", "--every", "5s")).err).toContain("group-not-in-cycles");
});

test.each([
  ["--every", "3s"],
  ["--every", "often"],
  ["--mode", "later"],
  ["--allow-loss", "5"],
])("refused input: %s %s", async (option, value) => {
  const line = ["group", "create", "office", "--from", "h1", "--to", "h2", "--vm", "web", "--mode", "async"];
  const said = await holdfast(...line, option, value);
  expect([said.code !== 0, said.out, said.err.length > 0]).toEqual([true, "", true]);
});

test("each --json is exactly what the contract describes", async () => {
  const lines: [string[], z.ZodType][] = [
    [["create", "office", "--from", "h1", "--to", "h2", "--vm", "web"], outputOf(contract.group.create)],
    [["list"], outputOf(contract.group.list)],
    [["show", "office"], outputOf(contract.group.show)],
    [["set", "office", "--bound-ms", "3000"], outputOf(contract.group.set)],
    [["pause", "office"], outputOf(contract.group.pause)],
    [["resume", "office"], outputOf(contract.group.resume)],
    [["delete", "office"], outputOf(contract.group.delete)],
  ];
  for (const [line, schema] of lines) {
    const { code, out, err } = await holdfast("group", ...line, "--json");
    expect([line, code, err]).toEqual([line, 0, ""]);
    const printed: unknown = JSON.parse(out);
    expect(schema.parse(printed), line.join(" ")).toEqual(printed);
  }
});

test.each<[string, string[]]>([
  ["group-unknown", ["show", "nix"]],
  ["group-name-malformed", ["create", "1x", "--from", "h1", "--to", "h2", "--vm", "web"]],
  ["group-one-host", ["create", "x1", "--from", "h1", "--to", "h1", "--vm", "web"]],
  ["vm-unknown", ["create", "x1", "--from", "h1", "--to", "h2", "--vm", "nix"]],
])("refused: %s", async (code, line) => {
  const said = await holdfast("group", ...line);
  expect([said.code, said.err]).toEqual([1, expect.stringContaining(code)]);
});
