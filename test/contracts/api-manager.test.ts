import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import type { VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, failure, startApiHost, until, webSpec } from "../support/api-host.ts";
import { heartbeat, held, host, incarnation, status } from "../support/records.ts";

let api: ApiHost;
let client: Client;

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
});
afterEach(async () => {
  await api.close();
});

describe("hosts", () => {
  test("maintenance and release, shown and told", async () => {
    const answer = await client.host.maintenance({ host: "h2", reason: "new memory" });
    expect(answer).toEqual({ id: "h2", name: "h2", vms: 0 });
    const shown = (await client.host.list()).hosts.map(({ maintenance }) => maintenance);
    expect(shown).toMatchObject([null, { reason: "new memory", by: { name: "root" } }]);
    expect(await failure(client.host.maintenance({ host: "h2" }))).toMatchObject({ code: "maintenance-already" });
    expect(await client.host.release({ host: "h2" })).toEqual({ id: "h2", name: "h2", calledOff: [] });
    expect((await client.host.show({ host: "h2" })).host.maintenance).toBeNull();
    const { events } = await client.event.list({ host: "h2" });
    expect(events.map((event) => event.type)).toEqual(["maintenance-requested", "maintenance-ended"]);
  });

  test("quarantine is shown until it ends or is lifted; a mode counts for the incarnation that said it", async () => {
    const losses = { schema: 1, counted: 1, at: [1, 2, 3], quarantinedUntil: Date.now() + 600_000 };
    await api.put(keys.hostLosses(host("h2")), losses);
    const mode = { schema: 1, incarnation: 1, mode: "restart", next: "reboot", at: 1 };
    await api.put(keys.hostMode(host("h1")), mode);
    await api.put(keys.hostMode(host("h2")), { ...mode, incarnation: 9 });
    const { hosts, checks } = await client.cluster.status();
    expect(hosts).toMatchObject([
      { mode: "restart", next: "reboot", quarantinedUntil: null },
      { mode: "active", next: "nothing", quarantinedUntil: losses.quarantinedUntil },
    ]);
    expect(checks.map((check) => check.id)).toEqual(["host-in-quarantine"]);
    await client.host.release({ host: "h2" });
    expect((await client.cluster.status()).checks).toEqual([]);
  });
});

test("a release that takes an order to go down back waits for the agent's answer", async () => {
  const mode = { schema: 1, incarnation: 1, mode: "leaving", next: "reboot", at: 1 };
  await api.put(keys.hostMode(host("h2")), mode);
  const open = () => [...api.view().intents.values()].find(({ value }) => value.answer.kind === "open")?.value;
  const released = client.host.release({ host: "h2" });
  await until(() => open() !== undefined, "the intent");
  expect(open()).toMatchObject({ kind: "leave-host", host: "h2", next: "nothing" });
  const id = open()?.id;
  if (id === undefined) throw new Error("no intent");
  await api.put(keys.hostMode(host("h2")), { ...mode, mode: "active", next: "nothing" });
  await api.put(keys.intent(id), { ...open(), answer: { kind: "done", at: 1 } });
  expect(await released).toEqual({ id: "h2", name: "h2", calledOff: [] });
});

test("a shutdown waits for the agent's answer, and a refused one is told", async () => {
  const intent = () => [...api.view().intents.values()].find(({ value }) => value.answer.kind === "open")?.value;
  const answers = [
    { kind: "done", at: 1 },
    { kind: "refused", code: "leave-already", params: { host: "h2", next: "reboot" }, at: 1 },
  ];
  const ends: unknown[] = [];
  // Of two members both are the majority.
  const refusal = await failure(client.host.shutdown({ host: "h2" }));
  expect(refusal).toMatchObject({ code: "leave-loses-majority", params: { left: 1, votes: 2 } });
  for (const answer of answers) {
    const asked = failure(client.host.shutdown({ host: "h2", accept: true }));
    await until(() => intent() !== undefined, "the intent");
    const open = intent();
    if (open === undefined) throw new Error("no intent");
    expect(open).toMatchObject({ kind: "leave-host", host: "h2", incarnation: 1, next: "power-off" });
    expect(await failure(client.host.reboot({ host: "h2" }))).toMatchObject({ code: "leave-already" });
    await api.put(keys.intent(open.id), { ...open, answer });
    ends.push(await asked);
  }
  const refused = { kind: "refused", code: "leave-already", params: { host: "h2", next: "reboot" } };
  expect(ends).toEqual([{ id: "h2", name: "h2", shutdownPolicy: "conditional" }, refused]);
});

describe("moves", () => {
  async function runningWeb(): Promise<VmId> {
    const { id } = await client.vm.create(webSpec);
    await client.vm.start({ vm: id });
    await api.put(keys.owner(id as VmId), held("h1", 1, 1));
    await api.put(keys.vmStatus(id as VmId), status("h1", 1, 1, "running"));
    return id as VmId;
  }

  test("an order is recorded with a task that names its aim; repeated by request id it is one", async () => {
    const id = await runningWeb();
    const request = { vm: "web", to: "h2", requestId: "request-0001" };
    const task = await client.vm.migrate(request);
    expect(task).toMatchObject({ kind: "move-vm", vm: id, to: "h2", end: null });
    expect(await client.vm.migrate(request)).toEqual(task);
    expect(await failure(client.vm.relocate(request))).toMatchObject({ code: "request-id-reused" });
    expect(api.view().orders.get(id)?.value).toMatchObject({ order: { kind: "migrate", to: "h2" } });
    expect((await client.vm.relocate({ vm: "web", to: "h2" })).id).not.toBe(task.id);
    expect((await client.vm.show({ vm: "web" })).vm).toMatchObject({
      state: "running",
      service: { state: "started", host: "h1", target: null },
      order: { kind: "relocate", to: "h2" },
    });
    expect(api.view().orders.get(id)?.value).toMatchObject({ order: { kind: "relocate", to: "h2" } });
    const { events } = await client.event.list({ vm: "web", type: "vm-move-requested" });
    expect(events.map(({ params }) => params)).toMatchObject([{ how: "migrate" }, { how: "relocate" }]);
  });

  test("to a host that this one does not hear it is refused, and nothing is recorded", async () => {
    const id = await runningWeb();
    await api.put(keys.heartbeat(host("h2"), incarnation(1)), heartbeat({ deadlineMs: 1 }));
    await expect
      .poll(async () => {
        // Others go on: this host is not the deaf one.
        await api.put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ deadlineMs: 600_000 }));
        return (await client.host.show({ host: "h2" })).host.state;
      })
      .toBe("silent");
    const refused = { kind: "refused", code: "move-host-silent", params: { vm: "web", host: "h2" } };
    expect(await failure(client.vm.migrate({ vm: "web", to: "h2" }))).toEqual(refused);
    expect(api.view().orders.has(id)).toBe(false);
  });

  test("a stop within no time at all is an order beside the wish", async () => {
    const id = await runningWeb();
    expect(await client.vm.stop({ vm: "web", graceMs: 0 })).toMatchObject({ kind: "stop-vm", to: null });
    expect(api.view().orders.get(id)?.value).toMatchObject({ order: { kind: "stop", graceMs: 0 } });
    expect(await failure(client.vm.stop({ vm: "web", graceMs: -1 }))).toMatchObject({ kind: "refused" });
  });
});

test("disarm and arm: repeated by request id as the first time, twice refused", async () => {
  const first = await client.cluster.disarm({ mode: "freeze", requestId: "request-0001" });
  expect(first).toMatchObject({ disarm: { mode: "freeze", by: { name: "root" } } });
  expect(await client.cluster.disarm({ mode: "freeze", requestId: "request-0001" })).toEqual(first);
  expect(await failure(client.cluster.disarm({ mode: "ignore" }))).toMatchObject({
    code: "cluster-disarmed-already",
    params: { mode: "freeze", by: "root" },
  });
  expect(await client.cluster.status()).toMatchObject({
    disarm: { mode: "freeze" },
    checks: [{ id: "cluster-is-disarmed", level: "warn" }],
  });
  expect(await client.cluster.arm({})).toEqual({ disarm: null });
  expect(await failure(client.cluster.arm({}))).toMatchObject({ code: "cluster-armed-already" });
});

test("the policy: defaults, a change, a contradiction that changes nothing", async () => {
  expect((await client.policy.show()).policy).toMatchObject({ shutdownPolicy: "conditional", wantedHostLosses: 1 });
  const changed = await client.policy.set({ shutdownPolicy: "migrate", quarantine: { losses: 0 } });
  expect(changed).toMatchObject({ shutdownPolicy: "migrate", quarantine: { losses: 0, holdMs: 7_200_000 } });
  const both = { returnAfterMaintenance: "as-failback", scheduler: { autoRebalance: { enabled: true } } } as const;
  expect(await failure(client.policy.set(both))).toMatchObject({ code: "policy-rebalance-needs-figures" });
  expect((await client.policy.show()).policy).toEqual({
    ...changed,
    reserveIgnoredBy: undefined,
    bearsLess: undefined,
  });
  const typo = { scheduler: { modus: "static" } } as never;
  expect(await failure(client.policy.set(typo))).toMatchObject({ kind: "refused" });
});
