import { afterEach, beforeEach, expect, test } from "vitest";
import type { z } from "zod";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { contract } from "../../src/api/contract/index.ts";
import type { GroupId, IntentId, PoolId, VolumeId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Point } from "../../src/model/point-records.ts";
import type { ReplicaState } from "../../src/model/replication-records.ts";
import { type ApiHost, failure, startApiHost } from "../support/api-host.ts";
import { begin, outputOf } from "../support/cli-run.ts";
import { facts, held, host, pool, status, vm, vmId } from "../support/records.ts";

let api: ApiHost;
let client: Client;
const web = vmId("web");
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
  await api.put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  for (const name of ["h1", "h2"]) {
    await api.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links: [], joinedAt: 0 });
    await api.put(keys.hostFacts(host(name)), facts({ pools: [] }));
  }
  const known = vm("web");
  await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } });
  await api.put(keys.owner(web), held("h1", 1, 4));
  await api.put(keys.vmStatus(web), status("h1", 1, 4, "running"));
});
afterEach(() => api.close());

const copyIs = (state: ReplicaState) =>
  api.put(keys.replica(web, disk.volume, host("h2")), {
    ...{ schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: 4, receiver: null },
    state,
  });
const protect = async (): Promise<void> => {
  await api.put(keys.group("office" as GroupId), {
    ...{ schema: 1, name: "office", vms: [web], source: "h1", target: "h2", paused: [], createdAt: 0 },
    mode: { kind: "synchronous", boundMs: 2_000 },
  });
  await copyIs({ kind: "in-sync" });
};
const point = (id: string, more: Partial<Point> = {}) =>
  api.put(keys.point(web, id), {
    ...{ schema: 1, vm: web, id, host: "h2", at: Date.now() - 5_000, origin: "hand", consistency: "crash" },
    ...{ sizeMiB: 3, proof: null, ...more },
  });
/** As the agent of the host that it is for does. */
const answered = async (answer: object): Promise<void> => {
  const [intent] = [...api.view().intents.values()].filter(({ value }) => value.answer.kind === "open");
  if (intent === undefined) throw new Error("Nobody wants anything");
  await api.put(keys.intent(intent.value.id as IntentId), { ...intent.value, answer });
};
const holdfast = (...line: readonly string[]) => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;

test("[S20] a wish is refused at once where it is in vain, and told what becomes of it otherwise", async () => {
  const take = () => client.point.take({ vm: "web" });
  expect(await failure(take())).toMatchObject({ code: "point-not-protected" });
  await protect();
  const wish = await take();
  expect(wish).toMatchObject({ act: "take", state: "open", point: null, host: { name: "h1" } });
  await answered({ kind: "refused", code: "point-not-in-sync", params: { vm: "web" }, at: 5 });
  expect(await client.point.wish({ wish: wish.wish })).toMatchObject({
    state: "refused",
    trouble: { code: "point-not-in-sync" },
  });
  await copyIs({ kind: "copying" });
  expect(await failure(take())).toMatchObject({ code: "point-not-in-sync" });
  expect(await failure(client.point.drop({ vm: "web", point: "p1" }))).toMatchObject({ code: "point-unknown" });
  expect(await failure(client.point.wish({ wish: "nix" }))).toMatchObject({ code: "point-wish-unknown" });
  await point("p1");
  const folder = "not/absolute";
  expect(await failure(client.point.export({ vm: "web", point: "p1", folder }))).toMatchObject({
    code: "point-folder-malformed",
  });
  await client.point.test({ vm: "web", point: "newest" });
  expect(await failure(client.point.test({ vm: "web", point: "newest" }))).toMatchObject({ code: "proof-under-way" });
});

test("[S18] a branch with what nobody else has is deleted only by whoever says so", async () => {
  await protect();
  await point("b1", { origin: "branch-kept" });
  expect((await holdfast("branch", "list")).out).toContain("acknowledged writes that nobody else has");
  const refused = await holdfast("branch", "delete", "web", "b1");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("branch-has-what-nobody-has")]);
  const deleted = holdfast("branch", "delete", "web", "b1", "--accept");
  await expect.poll(() => [...api.view().intents.values()].length).toBe(1);
  await answered({ kind: "done", at: 5 });
  expect((await deleted).out).toBe("web: branch b1 was deleted.\n");
});

test("[S18] a branch is looked for among branches alone: nothing that is called one gives up or exports a recovery point", async () => {
  await protect();
  await point("p0", { at: (Date.now() - 20_000) as Point["at"] });
  const exported = ["branch", "export", "web", "newest", "--to", "/var/tmp/web"] as const;
  for (const line of [["branch", "delete", "web", "newest", "--accept"], exported]) {
    const { code, err } = await holdfast(...line);
    expect([code, err]).toEqual([1, expect.stringContaining("branch-unknown")]);
    expect(err).toContain("Its branches are: none.");
  }
  await point("b1", { origin: "branch", at: (Date.now() - 15_000) as Point["at"] });
  await point("b2", { origin: "branch-kept", at: (Date.now() - 10_000) as Point["at"] });
  await point("p1");
  for (const name of ["p1", "nope"]) {
    const { code, err } = await holdfast("branch", "delete", "web", name, "--accept");
    expect([code, err]).toEqual([1, expect.stringContaining(`VM web has no branch ${name}.`)]);
    expect(err).toContain("Its branches are: b1, b2.");
  }
  expect((await holdfast("branch", "export", "web", "p1", "--to", "/var/tmp/web")).err).toContain("branch-unknown");
  const refused = await holdfast("branch", "delete", "web", "newest");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("Branch b2 of VM web on h2")]);
  expect(api.view().intents.size).toBe(0);
  const deleted = holdfast("branch", "delete", "web", "newest", "--accept");
  await expect.poll(() => api.view().intents.size).toBe(1);
  const wishes = () => [...api.view().intents.values()].map(({ value }) => value.kind === "point" && value.wish);
  expect(wishes()).toEqual([{ act: "drop", point: "b2" }]);
  await answered({ kind: "done", at: 5 });
  expect((await deleted).out).toBe("web: branch b2 was deleted.\n");
  const exporting = holdfast(...exported);
  await expect.poll(wishes).toContainEqual({ act: "export", point: "b2", folder: "/var/tmp/web" });
  await answered({ kind: "done", at: 6 });
  expect((await exporting).out).toContain("web: branch b2 is on h2");
});

test("the commands tell of points, and of what their tests came to", async () => {
  await protect();
  expect((await holdfast("point", "list")).out).toBe("There are no recovery points.\n");
  const checks = [{ kind: "http", passed: false, detail: "no answer" }];
  await point("p1", {
    proof: {
      point: "p1",
      at: 5 as Point["at"],
      tookMs: 4_200,
      passed: true,
      checks: checks.map((one) => ({ ...one, passed: true })),
      rpoMs: 35_000,
    },
  });
  await point("p3", { boot: { point: "p3", at: 7 as Point["at"], tookMs: 900, passed: true, checks: [] } });
  await point("p2", { proof: { point: "p2", at: 6 as Point["at"], tookMs: 9, passed: false, checks } });
  const { out } = await holdfast("point", "list", "--vm", "web");
  expect(out).toMatch(/web +p1 +h2 .* 3 +crash +hand +proven on .*: HTTP, 4\.2 s, RPO 35\.0 s\n/u);
  expect(out).toMatch(/p3 .* booted on .*: 0\.9 s; nothing checked\n/u);
  expect(out).toMatch(/p2 .* failed on .*: http: no answer\n/u);
  const set = await holdfast(
    "group",
    "set",
    "office",
    "--points-every",
    "15m",
    "--keep",
    "24x1h,7x1d",
    "--test-every",
    "1d",
  );
  expect(set.out).toContain("every 15m, keeping 24x1h,7x1d");
  expect((await client.group.show({ group: "office" })).group).toMatchObject({
    status: "Warning",
    points: { everyMs: 900_000, test: { everyMs: 86_400_000, checks: [] } },
    vms: [{ points: { count: 3, proof: { passed: false } } }],
  });
  expect((await holdfast("group", "set", "office", "--points-every", "never")).out).toContain(
    "by hand, keeping 24x1h,7x1d",
  );
  const bad = [
    ["group", "set", "office", "--points-every", "15"],
    ["group", "set", "office", "--keep", "x1h"],
    ["point", "export", "web", "p1"],
  ];
  for (const line of bad) expect([line, (await holdfast(...line)).code]).toEqual([line, 2]);
  const later = await holdfast("group", "set", "office", "--test-http", "/");
  expect([later.code, later.err]).toEqual([1, expect.stringContaining("point-test-without-time")]);
});

test("[S18] branches and what is kept in passing are no points; what room branches take is said, and how it comes back", async () => {
  await protect();
  const shown = async () => (await client.group.show({ group: "office" })).group;
  const checks = async () => (await client.cluster.status()).checks.filter(({ id }) => id === "branches-take-room");
  expect([await checks(), (await shown()).notes]).toEqual([[], []]);
  await point("b1", { origin: "branch-kept", at: (Date.now() - 10_000) as Point["at"] });
  await point("l1", { origin: "resync" });
  expect((await shown()).vms[0]?.points).toMatchObject({ count: 0, branches: 1, newestAt: null });
  const group = async () => (await holdfast("group", "show", "office")).out;
  expect(await group()).toMatch(/h2 +in-sync +- +1 branch kept \(holdfast branch list\)\n/u);
  expect(await group()).toContain(
    `Host h2 keeps 1 branch of VM web, with acknowledged writes that the VM lacks: up to ${disk.sizeMiB} MiB of room`,
  );
  expect(await group()).toContain("holdfast branch delete web BRANCH --accept");
  expect((await shown()).status).toBe("Normal");
  expect(await checks()).toMatchObject([{ subject: web, level: "warn", params: { vm: "web", host: "h2", count: 1 } }]);
  await point("b2", { origin: "branch" });
  await point("p1");
  expect((await shown()).vms[0]?.points).toMatchObject({ count: 1, branches: 2 });
  expect((await checks())[0]?.params).toMatchObject({ count: 2, alone: 1, upToMiB: 2 * disk.sizeMiB });
});

test("[S20] a test says at once where and for how long, and then what was not shown", async () => {
  await protect();
  await point("p1");
  const testing = holdfast("point", "test", "web", "newest", "--http", "/");
  await expect.poll(() => [...api.view().intents.values()].length).toBe(1);
  const checks = [{ kind: "http", passed: false, detail: "HTTP does not answer" }];
  await point("p1", { proof: { point: "p1", at: 5 as Point["at"], tookMs: 9, passed: false, checks } });
  await answered({ kind: "done", at: 5 });
  const { code, err } = await testing;
  expect(code).toBe(1);
  expect(err).toMatch(/^web: point p1 is tested on h2, for 120 s at most\.\n/u);
  expect(err).toContain("http: HTTP does not answer");
});

test("each --json is exactly what the contract describes", async () => {
  await protect();
  await point("p1");
  const printed = JSON.parse((await holdfast("point", "list", "--json")).out) as unknown;
  const schema: z.ZodType = outputOf(contract.point.list);
  const again = schema.parse(printed);
  expect(again).toEqual(printed);
  const taken = holdfast("point", "take", "--vm", "web", "--json");
  await expect.poll(() => [...api.view().intents.values()].length).toBe(1);
  await answered({ kind: "done", at: 5 });
  const wish = JSON.parse((await taken).out) as unknown;
  expect((outputOf(contract.point.take) as z.ZodType).parse(wish)).toEqual(wish);
});

test("[S20] points of a deleted VM go by its last name, and can be exported and dropped, but not taken or tested", async () => {
  const gone = vmId("vm-17");
  await api.put(keys.point(gone, "p1"), {
    ...{
      schema: 1,
      vm: gone,
      id: "p1",
      host: "h2",
      at: 5,
      origin: "hand",
      consistency: "crash",
      sizeMiB: 3,
      proof: null,
    },
    vmAs: { name: "web1", disks: [disk] },
  });
  const { out } = await holdfast("point", "list");
  expect(out).toMatch(/^deleted VM web1 +p1 +h2 /mu);
  expect(out).toContain("holdfast point export web1 p1 --to FOLDER");
  expect((await client.point.list({ vm: "web1" })).points).toMatchObject([
    { vm: { id: gone, name: "web1" }, vmDeleted: true },
  ]);
  expect(await failure(client.point.test({ vm: "web1", point: "p1" }))).toMatchObject({ code: "point-of-deleted-vm" });
  expect(await failure(client.point.take({ vm: "web1" }))).toMatchObject({ code: "vm-unknown" });
  const dropping = holdfast("point", "drop", "web1", "p1");
  await expect.poll(() => [...api.view().intents.values()].length).toBe(1);
  await answered({ kind: "done", at: 5 });
  expect((await dropping).out).toBe("web1: p1 is no recovery point any more.\n");
  // A name is given again: then the id says which.
  await api.put(keys.point(vmId("vm-18"), "p2"), {
    ...{
      schema: 1,
      vm: vmId("vm-18"),
      id: "p2",
      host: "h2",
      at: 5,
      origin: "hand",
      consistency: "crash",
      sizeMiB: 3,
      proof: null,
    },
    vmAs: { name: "web1", disks: [disk] },
  });
  const folder = "/var/tmp/web1";
  expect(await failure(client.point.export({ vm: "web1", point: "p1", folder }))).toMatchObject({
    code: "point-vm-several",
  });
  expect(await client.point.export({ vm: vmId("vm-18"), point: "p2", folder })).toMatchObject({
    act: "export",
    state: "open",
  });
});
