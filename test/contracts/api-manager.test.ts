import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, failure, startApiHost } from "../support/api-host.ts";
import { host } from "../support/records.ts";

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
    expect(await client.host.release({ host: "h2" })).toEqual({ id: "h2", name: "h2" });
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
  expect((await client.policy.show()).policy).toEqual(changed);
  const typo = { scheduler: { modus: "static" } } as never;
  expect(await failure(client.policy.set(typo))).toMatchObject({ kind: "refused" });
});
