import { afterEach, expect, test } from "vitest";
import { connectClient } from "../../src/api/client/index.ts";
import type { Contact } from "../../src/core/contact.ts";
import type { InstantMs, PoolId, VolumeId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { defaultPolicy } from "../../src/model/policy.ts";
import { systemActor } from "../../src/model/records.ts";
import { type ApiHost, failure, startApiHost, testClock } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { facts, heartbeat, held, host, incarnation, member, pool, status, vm, vmId } from "../support/records.ts";

// An order to move a guest that runs is held against how the links are at that moment (0005).

let api: ApiHost;
afterEach(() => api.close());

const web = vmId("web");
const link = (net: number, number: number) => {
  return { kind: "migration" as const, address: `10.0.${net}.${number}`, subnet: `10.0.${net}.0/24` };
};

/** What a process knows that heard everybody so long ago, and the store just now. */
function heard(ageMs: number) {
  const at = (ago: number) => (testClock.now() - ago) as InstantMs;
  const one = () => ({ incarnation: incarnation(1), heardAt: at(ageMs) }) as Contact;
  const contacts = () => new Map(["h1", "h2"].map((name) => [host(name), one()]));
  return { heardAt: () => at(0), contacts, standstill: () => undefined };
}

/** h1 is asked; web runs on `runsOn`, and `answering` of the addresses that are asked for answer. */
async function cluster(runsOn: string, answering: readonly string[] | "never", ageMs?: number) {
  const asked: string[][] = [];
  api = await startApiHost({
    ...(ageMs === undefined ? {} : { heard: heard(ageMs) }),
    links: {
      answering: (addresses, done) => {
        asked.push([...addresses]);
        if (answering !== "never") done(addresses.filter((one) => answering.includes(one)));
      },
    },
  });
  for (const number of [1, 2])
    await api.put(keys.member(host(`h${number}`)), member(`h${number}`, { links: [link(1, number), link(2, number)] }));
  await api.put(keys.vm(web), vm("web"));
  await api.put(keys.owner(web), held(runsOn, incarnation(1), 4));
  await api.put(keys.vmStatus(web), status(runsOn, 1, 4, "running"));
  return asked;
}

function holdfast(...line: readonly string[]) {
  return begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
}

test("every link is cut: refused at once, with both ends of each, and nothing is recorded", async () => {
  const asked = await cluster("h1", []);
  const { code, out, err } = await holdfast("vm", "migrate", "web", "h2", "--no-wait");
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}move-links-cut\n$/u);
  expect(err).toContain("10.0.1.1 to 10.0.1.2; 10.0.2.1 to 10.0.2.2");
  expect(asked).toEqual([["10.0.1.2", "10.0.2.2"]]);
  expect([...api.view().orders.keys(), ...api.view().tasks.keys()]).toEqual([]);
  const json = await holdfast("vm", "migrate", "web", "h2", "--no-wait", "--json");
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out === "" ? json.err : json.out)).toMatchObject({ code: "move-links-cut" });
});

test("a host that has missed its heartbeats and answers nowhere may be off: no cables are named first, and no relocation", async () => {
  await cluster("h1", [], 1_600);
  const { code, err } = await holdfast("vm", "migrate", "web", "h2", "--no-wait");
  expect(code).toBe(1);
  expect(err).toMatch(
    /^Cause: +Host h2 was last heard \d+ ms ago, and no link .+\n.+\nRemedy: +Check the power of h2 first/u,
  );
  expect(err).toContain("Code:    move-host-unanswering\n");
});

test("off a host that may be off itself: nobody is told that its VM goes on there", async () => {
  await cluster("h2", [], 1_600);
  const { code, err } = await holdfast("vm", "migrate", "web", "h1", "--no-wait");
  expect(code).toBe(1);
  expect(err).toMatch(
    /^Cause: +Host h2, which VM web runs on, was last heard \d+ ms ago.+\nEffect: +No move was begun/u,
  );
  expect(err).toContain("Code:    move-source-unanswering\n");
  expect([...api.view().orders.keys()]).toEqual([]);
});

test("asked on the target, the other end of each link is looked at", async () => {
  const asked = await cluster("h2", []);
  expect((await holdfast("vm", "migrate", "web", "h1", "--no-wait")).err).toContain("move-links-cut");
  expect(asked).toEqual([["10.0.1.2", "10.0.2.2"]]);
});

test.each([
  ["one link is left", ["10.0.2.2"]],
  ["nothing is known in time", "never" as const],
])("accepted where %s", async (_, answering) => {
  await cluster("h1", answering);
  expect(await holdfast("vm", "migrate", "web", "h2", "--no-wait")).toMatchObject({ code: 0, err: "" });
  expect(api.view().orders.get(web)?.value.order).toMatchObject({ kind: "migrate", to: "h2" });
});

test("asked on a third host that sees no link: the order stands, and it is said that nobody knows here whether it can be carried out", async () => {
  const asked = await cluster("h2", []);
  await api.put(keys.member(host("h3")), member("h3", { links: [link(1, 3), link(2, 3)] }));
  await api.put(keys.host(host("h3")), { schema: 1, incarnation: 1, nonce: "n3", machine: "h3", registeredAt: 0 });
  await api.put(keys.hostFacts(host("h3")), facts());
  await api.put(keys.heartbeat(host("h3"), incarnation(1)), heartbeat({ deadlineMs: 600_000 }));
  await api.put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
  const plan = await holdfast("host", "maintenance", "h2", "--dry-run");
  expect(plan.out).toMatch(/^web +h2 +h3 +moves/mu);
  const unseen = "Host h1, which was asked, sees neither end of any link that is left between h2 and h3";
  expect(plan.out).toContain(`\n${unseen} (10.0.1.2 to 10.0.1.3; 10.0.2.2 to 10.0.2.3)`);
  const both = ["10.0.1.2", "10.0.1.3", "10.0.2.2", "10.0.2.3"];
  expect(asked.splice(0)).toEqual([both]);
  const { code, err } = await holdfast("vm", "migrate", "web", "h3", "--no-wait");
  // What was seen before it was recorded is also what is told of it.
  expect(asked.splice(0)).toEqual([both]);
  expect([code, err]).toEqual([0, expect.stringContaining(unseen)]);
  const json = await holdfast("vm", "migrate", "web", "h3", "--no-wait", "--json");
  expect(JSON.parse(json.out).unseen).toMatchObject({ code: "move-links-unseen" });
});

test("whoever stops the VM to start it there needs no link, and none is asked", async () => {
  const asked = await cluster("h1", []);
  expect(await holdfast("vm", "relocate", "web", "h2", "--no-wait")).toMatchObject({ code: 0, err: "" });
  expect(asked).toEqual([]);
});

test("the plan of a host's maintenance says which guests could not be sent anywhere, and why", async () => {
  await cluster("h1", []);
  const { code, out } = await holdfast("host", "maintenance", "h1", "--dry-run");
  expect(code).toBe(0);
  expect(out).toContain("web cannot leave.");
  expect(out).toContain("10.0.1.1 to 10.0.1.2; 10.0.2.1 to 10.0.2.2");
  expect([...api.view().maintenances.keys()]).toEqual([]);
});

test("where another host is reached the plan names it, and the order tells the manager what was seen", async () => {
  const asked = await cluster("h1", ["10.0.1.3"]);
  await api.put(keys.member(host("h3")), member("h3", { links: [link(1, 3), link(2, 3)] }));
  await api.put(keys.host(host("h3")), { schema: 1, incarnation: 1, nonce: "n3", machine: "h3", registeredAt: 0 });
  await api.put(keys.hostFacts(host("h3")), facts());
  await api.put(keys.heartbeat(host("h3"), incarnation(1)), heartbeat({ deadlineMs: 600_000 }));
  // So that h2 would be best.
  await api.put(keys.vm(vmId("mail")), vm("mail"));
  await api.put(keys.owner(vmId("mail")), held("h3", incarnation(1), 1));
  await api.put(keys.vmStatus(vmId("mail")), status("h3", 1, 1, "running"));
  const { out } = await holdfast("host", "maintenance", "h1", "--dry-run");
  expect(out).toMatch(/^web +h1 +h3 +moves/mu);
  expect(out).toContain(
    "from host h1 to h2 connects now (10.0.1.1 to 10.0.1.2; 10.0.2.1 to 10.0.2.2): they go elsewhere",
  );
  // Each pair of hosts is looked at once for one answer.
  expect(asked.splice(0).sort()).toEqual([
    ["10.0.1.2", "10.0.2.2"],
    ["10.0.1.3", "10.0.2.3"],
  ]);
  expect(await holdfast("host", "maintenance", "h1", "--no-wait")).toMatchObject({ code: 0 });
  expect(api.view().maintenances.get(host("h1"))?.value.unreached).toEqual(["h2"]);
});

test("a plan names the links that the policy leaves out and that would do; without any link in common as well", async () => {
  await cluster("h1", ["10.0.2.2"]);
  const plan = async () => (await holdfast("host", "maintenance", "h1", "--dry-run")).out;
  const only = (links: string[]) =>
    api.put(keys.policy, { ...defaultPolicy, migration: { ...defaultPolicy.migration, links } });
  expect(await plan()).toMatch(/^web +h1 +h2 +moves/mu);
  await only(["10.0.1.0/24"]);
  expect(await plan()).toContain(
    "  but      Moves may use 10.0.2.0/24 as well: `holdfast policy set --migration-links default`",
  );
  await only(["availability"]);
  expect(await plan()).toMatch(
    /^web cannot leave\.\n {2}because .+\n {2}but {6}Moves may use 10\.0\.2\.0\/24 as well/mu,
  );
  await only(["10.0.2.0/24"]);
  expect(await plan()).toMatch(/^web +h1 +h2 +moves/mu);
});

test("a group's switchover as it runs is refused in the same way", async () => {
  await cluster("h1", []);
  const local = "local" as PoolId;
  const volume = "web-0" as VolumeId;
  await api.put(keys.pool(local), pool("local", "local-dir"));
  const pools = [{ pool: local, capacityMiB: 1_000, freeMiB: 500, unfit: null }];
  for (const name of ["h1", "h2"]) await api.put(keys.hostFacts(host(name)), facts({ pools }));
  const known = vm("web");
  const disks = [{ volume, pool: local, sizeMiB: 64, format: "raw" as const }];
  await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks } });
  const client = connectClient(api.socket);
  await client.group.create({ group: "office", from: "h1", to: "h2", vms: ["web"] });
  const copy = { schema: 1, vm: web, volume, host: "h2", epoch: 4, receiver: null, state: { kind: "in-sync" } };
  await api.put(keys.replica(web, volume, host("h2")), copy);
  expect(await failure(client.group.switchover({ group: "office", to: "h2" }))).toMatchObject({
    code: "move-links-cut",
  });
  expect(api.view().orders.size).toBe(0);
});
