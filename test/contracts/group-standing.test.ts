import { afterEach, beforeEach, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import type { Contact } from "../../src/core/contact.ts";
import type { CopyHere } from "../../src/core/copies-here.ts";
import type { Epoch, HostId, InstantMs, PoolId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { ReplicaState } from "../../src/model/replication-records.ts";
import { type ApiHost, startApiHost, testClock } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { facts, fence, heartbeat, held, host, incarnation, pool, status, vm, vmId } from "../support/records.ts";

// What a person reads of a protected VM where the store's word is not all, or where it is down.

const [h1, h2] = [host("h1"), host("h2")];
const n1 = incarnation(1);
const web = vmId("web");
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
let api: ApiHost;
let client: Client;
/** Ages in ms of what this host, h1, heard. */
let ages: { store: number; h1: number; h2: number };
let copiesHere: readonly CopyHere[];

beforeEach(async () => {
  ages = { store: 0, h1: 0, h2: 0 };
  copiesHere = [];
  const at = (ageMs: number) => (testClock.now() - ageMs) as InstantMs;
  const contact = (ageMs: number) => ({ incarnation: n1, heardAt: at(ageMs) }) as Contact;
  api = await startApiHost({
    heard: {
      heardAt: () => at(ages.store),
      contacts: () =>
        new Map<HostId, Contact>([
          [h1, contact(ages.h1)],
          [h2, contact(ages.h2)],
        ]),
      standstill: () => undefined,
      copiesHere: () => copiesHere,
    },
  });
  client = connectClient(api.socket);
  await api.put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    await api.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
    const pools = [{ pool: "local" as PoolId, capacityMiB: 1_000, freeMiB: 500, unfit: null }];
    await api.put(keys.hostFacts(host(name)), facts({ pools }));
    await api.put(keys.heartbeat(host(name), n1), heartbeat());
  }
  const known = vm("web");
  await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] }, requested: "started" });
  await api.put(keys.owner(web), held("h1", 1, 4));
  await client.group.create({ group: "office", from: "h1", to: "h2", vms: ["web"] });
});
afterEach(async () => {
  await api.close();
});

const copyOn = (at: string, state: ReplicaState) =>
  api.put(keys.replica(web, disk.volume, host(at)), {
    ...{ schema: 1, vm: web, volume: disk.volume, host: at, epoch: 4, receiver: null },
    state,
  });
const office = async () => (await client.group.show({ group: "office" })).group;
async function holdfast(...line: readonly string[]): Promise<string> {
  const { code, out, err } = await begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
  expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
  return out;
}

test("[S23] a host says what it knows of its own guest, where the store's last word is that the copy has everything", async () => {
  await copyOn("h2", { kind: "in-sync", byHost: true });
  expect(await office()).toMatchObject({ status: "Normal", vms: [{ aloneMs: null, aloneBy: null, waiting: false }] });
  expect(await holdfast("vm", "list")).not.toContain("by the word");
  ages = { store: 20_000, h1: 20_000, h2: 20_000 };
  const epoch = 4 as Epoch;
  copiesHere = [{ vm: web, epoch, kind: "waits", since: null, atRiskMiB: null }];
  expect(await office()).toMatchObject({
    status: "Warning",
    reasons: [{ code: "group-vm-waits-here", params: { vm: "web", here: "h1", host: "h2" } }],
    vms: [{ waiting: true, aloneMs: null }],
  });
  copiesHere = [{ vm: web, epoch, kind: "alone", since: (Date.now() - 12_000) as WallMs, atRiskMiB: 3.5 }];
  const shown = await office();
  expect(shown).toMatchObject({
    status: "Warning",
    reasons: [{ code: "group-vm-alone-here", params: { atRiskMiB: 3.5, here: "h1" } }],
    vms: [{ aloneBy: "host", atRiskMiB: 3.5, waiting: false }],
  });
  expect(shown.vms[0]?.aloneMs).toBeGreaterThanOrEqual(12_000);
  expect((await client.cluster.status()).checks).toContainEqual(
    expect.objectContaining({ id: "group-vm-alone-here", level: "warn" }),
  );
  expect(await holdfast("group", "show", "office")).toMatch(
    /alone for 1\d s, 3.5 MiB at risk, by its host's own word/u,
  );
  for (const line of [
    ["vm", "list"],
    ["vm", "show", "web"],
    ["explain", "web"],
    ["cluster", "status"],
  ])
    expect(await holdfast(...line), line.join(" ")).toMatch(/has gone on without its copy on host h2 for 1\d s/u);
  // Of an earlier run it says nothing; nor beside a record that says as much.
  copiesHere = [{ vm: web, epoch: 3 as Epoch, kind: "alone", since: 0 as WallMs, atRiskMiB: 3.5 }];
  expect((await office()).status).toBe("Normal");
  copiesHere = [{ vm: web, epoch, kind: "alone", since: 0 as WallMs, atRiskMiB: 3.5 }];
  await copyOn("h2", { kind: "stale", cause: "silent", whole: true, at: (Date.now() - 5_000) as WallMs });
  expect(await office()).toMatchObject({ reasons: [{ code: "group-vm-stale" }], vms: [{ aloneBy: "record" }] });
});

test("[S23] a host that does not hear the one which runs the VM does not promise what only that one knows", async () => {
  await api.put(keys.owner(web), held("h2", 1, 4));
  await copyOn("h1", { kind: "in-sync", byHost: true });
  expect((await office()).status).toBe("Normal");
  ages = { store: 20_000, h1: 20_000, h2: 20_000 };
  expect(await office()).toMatchObject({ status: "Warning", reasons: [{ code: "group-vm-maybe-alone" }] });
  expect(await holdfast("vm", "show", "web")).toMatch(/Protection +group office: Warning/u);
  const losses = async () => (await client.group.losses({ group: "office", to: "h1" })).vms;
  expect(await losses()).toMatchObject([{ code: "replica-by-host", lostMs: null, lostMiB: null, proof: "missing" }]);
  const shown = await begin(["group", "failover", "office", "--to", "h1"], { HOLDFAST_SOCKET: api.socket }).ended;
  expect(shown.out).toMatch(/web +h1 +replica-by-host +- +nobody can say/u);
  await copyOn("h1", { kind: "in-sync" });
  expect((await office()).status, "the store would have to be told first").toBe("Normal");
  expect(await losses()).toMatchObject([{ code: "whole", lostMs: 0 }]);
});

test("[S17] a VM that is down because its group was paused says so wherever it is asked for, with what helps", async () => {
  await api.put(keys.owner(web), held("h2", 1, 4));
  await client.group.pause({ group: "office" });
  await copyOn("h1", { kind: "stale", cause: "order", whole: true, at: (Date.now() - 60_000) as WallMs });
  expect((await office()).status).toBe("Paused");
  ages = { store: 0, h1: 0, h2: 30_000 };
  await api.put(keys.fence(h2, n1), fence({ at: (Date.now() - 20_000) as WallMs }));
  expect(await office()).toMatchObject({
    status: "Error",
    reasons: [{ code: "group-vm-down-while-paused", params: { lost: "h2", host: "h1", group: "office" } }],
  });
  for (const line of [
    ["vm", "list"],
    ["vm", "show", "web"],
    ["explain", "web"],
    ["cluster", "status"],
  ])
    expect(await holdfast(...line), line.join(" ")).toContain("its group office was paused");
  for (const line of [
    ["vm", "show", "web"],
    ["explain", "web"],
    ["group", "show", "office"],
  ])
    expect(await holdfast(...line), line.join(" ")).toContain("holdfast group failover office --vm web");
  await client.group.resume({ group: "office" });
  expect(await office()).toMatchObject({ status: "Error", reasons: [{ code: "group-vm-down-copy-behind" }] });
  await copyOn("h1", { kind: "in-sync", byHost: true });
  expect(await office()).toMatchObject({ status: "Error", reasons: [{ code: "group-vm-down-copy-unclear" }] });
  await copyOn("h1", { kind: "copying" });
  expect(await office()).toMatchObject({ status: "Error", reasons: [{ code: "group-vm-down-without-copy" }] });
});

test("a group's direction is the one that it has now; how it was made is said where that is another", async () => {
  const ways = async () => (await office()).directions.map(({ from, to, vms }) => [from.name, to.name, ...vms]);
  expect(await ways()).toEqual([["h1", "h2", "web"]]);
  expect(await holdfast("group", "show", "office")).toMatch(/Direction +h1 to h2\n/u);
  await api.put(keys.owner(web), held("h2", 1, 5));
  expect(await ways()).toEqual([["h2", "h1", "web"]]);
  expect(await holdfast("group", "show", "office")).toMatch(
    /Direction +h2 to h1 \(made as h1 to h2; its VMs are on h2 now\)\n/u,
  );
  expect(await holdfast("group", "list")).toContain("h2 to h1 (made as h1 to h2; its VMs are on h2 now)");
  await api.put(keys.owner(web), held("h3", 1, 5));
  expect(await ways()).toEqual([]);
});

test("[S17] a switchover of a group that is resumed by hand says beforehand that its VMs are not protected after it", async () => {
  await copyOn("h2", { kind: "in-sync" });
  await api.put(keys.vmStatus(web), status("h1", 1, 4, "running"));
  const order = () => client.group.switchover({ group: "office", to: "h2" });
  expect((await order()).notes).toEqual([]);
  await client.vm.cancelMove({ vm: "web" });
  await client.group.set({ group: "office", resume: "manual" });
  const told = { group: "office", vms: "web" };
  expect((await order()).notes).toMatchObject([{ code: "group-switch-waits-for-resume", params: told }]);
  await client.vm.cancelMove({ vm: "web" });
  const { err } = await begin(["group", "switchover", "office", "--no-wait"], { HOLDFAST_SOCKET: api.socket }).ended;
  expect(err).toContain("After the switchover the VM is not protected");
  expect(err).toContain("holdfast group resume office");
  // What it comes to afterwards is the group's state.
  await api.put(keys.owner(web), held("h2", 1, 5));
  const left = { kind: "stale", cause: "handed", whole: true, at: Date.now() as WallMs } as const;
  await copyOn("h1", left);
  expect(await office()).toMatchObject({ status: "Warning", reasons: [{ code: "group-waits-for-resume" }] });
  expect(await holdfast("vm", "show", "web")).toContain("holdfast group resume office");
});
