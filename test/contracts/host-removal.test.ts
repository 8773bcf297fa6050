import { afterEach, beforeEach, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { removedSchema } from "../../src/api/contract/host-removal.ts";
import { must } from "../../src/base/assert.ts";
import { keys } from "../../src/model/keys.ts";
import type { ProofKind } from "../../src/model/records.ts";
import { type ApiHost, failure, startApiHost, until } from "../support/api-host.ts";
import { begin, type Ended } from "../support/cli-run.ts";
import { fence, heartbeat, held, host, incarnation, member, vm, vmId } from "../support/records.ts";

// Everything that a person sees of hosts that leave the cluster and come back, through API and command.

const h3 = host("h3");
const n1 = incarnation(1);
let api: ApiHost;
let client: Client;

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
  await api.put(keys.member(h3), member("h3"));
  const registration = { schema: 1, incarnation: 1, nonce: "nonce-h3", machine: "h3", registeredAt: 0 };
  await api.put(keys.host(h3), registration);
  await api.put(keys.heartbeat(h3, n1), heartbeat({ deadlineMs: 600_000 }));
});
afterEach(async () => {
  await api.close();
});

const holdfast = (...line: readonly string[]): Promise<Ended> => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;

/** What the daemon of whoever manages does once its member is out of the store. */
async function leavesTheStore(): Promise<void> {
  await until(() => api.view().removals.has(h3), "the removal");
  const removal = api.view().removals.get(h3)?.value;
  await api.put(keys.removedHost(h3), { ...removal, store: "left" } as never);
}

test("[HM7, FC2] a host that is off: the plan, the refusal, the accepted removal, and the way back", async () => {
  await api.put(keys.fence(h3, n1), fence({ cause: "self", proofs: ["last-word"] }));
  const plan = await holdfast("host", "remove", "h3", "--dry-run");
  expect(plan.out).toMatch(
    /^The store would have 2 members instead of 3\.\n {2}Without host h3 the store has 2 members/u,
  );
  expect(plan.out).toContain("holdfast host remove h3 --accept\n");
  const refused = await holdfast("host", "remove", "h3");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain("edit-store-bears-less");
  expect(api.view().members.has(h3)).toBe(true);

  const removing = holdfast("host", "remove", "h3", "--accept");
  await leavesTheStore();
  expect(await removing).toMatchObject({ code: 0, out: "h3 is removed; have it back with: holdfast host join h3\n" });
  expect((await client.host.list()).hosts.map(({ name }) => name)).toEqual(["h1", "h2"]);
  const { events } = await client.event.list({});
  expect(events.map(({ type }) => type)).toEqual(["host-removed", "edit-accepted"]);
  expect(await failure(client.host.remove({ host: "h3" }))).toMatchObject({ code: "host-removed-already" });

  expect(await holdfast("host", "join", "h3")).toMatchObject({ code: 0, err: "" });
  expect(api.view().members.get(h3)?.value).toMatchObject({ joinsStore: true });
  const checks = (await client.cluster.status()).checks.map(({ id }) => id);
  expect(checks).toContain("host-not-in-store-yet");
  expect(await failure(client.host.join({ host: "h3" }))).toMatchObject({ code: "host-join-is-member" });
});

test("[HM7] a silent host that holds nothing is fenced by the order, then removed", async () => {
  const fresh = (id: typeof h3) => api.view().heartbeats.get(id)?.get(n1)?.revision;
  const contacts = new Map(
    [host("h1"), host("h2"), h3].map((id) => {
      const heardAt = (performance.now() - (id === h3 ? 60_000 : 0)) as never;
      const known = { incarnation: n1, revision: fresh(id), heardAt, since: heardAt, live: true, waitMs: 5_600 };
      return [id, { ...known, silentUntil: heardAt, frozenSince: null }];
    }),
  );
  await api.close();
  api = await startApiHost({
    heard: {
      heardAt: () => performance.now() as never,
      contacts: () => contacts as never,
      standstill: () => undefined,
    },
  });
  client = connectClient(api.socket);
  await api.put(keys.member(h3), member("h3"));
  await api.put(keys.host(h3), { schema: 1, incarnation: 1, nonce: "n", machine: "h3", registeredAt: 0 });
  await api.put(keys.heartbeat(h3, n1), heartbeat());
  for (const [id, contact] of contacts) contacts.set(id, { ...contact, revision: fresh(id) });

  expect(await failure(client.host.remove({ host: "h3" }))).toMatchObject({ code: "edit-store-bears-less" });
  expect(api.view().fences.get(h3)?.get(n1)).toBeUndefined();
  await api.put(keys.disarm, { schema: 1, mode: "freeze", by: { name: "root", role: "admin", requestId: "" }, at: 0 });
  expect(await failure(client.host.remove({ host: "h3", accept: true }))).toMatchObject({ code: "cluster-disarmed" });
  await client.cluster.arm({});
  // An earlier heartbeat of it promised a longer deadline, which its guards may still hold (S7).
  const contact = must(contacts.get(h3), "h3 was heard");
  contacts.set(h3, { ...contact, silentUntil: (performance.now() + 60_000) as never });
  expect(await failure(client.host.remove({ host: "h3", accept: true }))).toMatchObject({
    code: "host-remove-not-off",
  });
  contacts.set(h3, contact);
  const removing = client.host.remove({ host: "h3", accept: true });
  await leavesTheStore();
  expect(removedSchema.parse(await removing)).toEqual({ id: "h3", name: "h3", store: "left" });
  expect(api.view().fences.get(h3)?.get(n1)?.value).toMatchObject({ cause: "silence", proofs: ["silence"] });
});

/** As h3's agent and heart do when it is told to go down; `proofs`: of its last word. */
async function goesDown(proofs: ProofKind[]): Promise<void> {
  await until(() => api.view().intents.size > 0, "the order to go down");
  const [id, { value: intent }] = must([...api.view().intents][0], "an intent is there");
  expect(intent).toMatchObject({ kind: "leave-host", host: "h3", next: "power-off" });
  expect(api.view().members.has(h3)).toBe(true);
  await api.put(keys.intent(id), { ...intent, answer: { kind: "done", at: 1 } });
  await api.put(keys.fence(h3, n1), fence({ cause: "self", proofs: [] }));
  await new Promise((soon) => setImmediate(soon));
  expect(api.view().removals.size).toBe(0);
  await api.put(keys.fence(h3, n1), fence({ cause: "self", proofs }));
}

test("[HM7] one that is up, empty and in maintenance is shut down by the order, and removed once its last word is there", async () => {
  await client.host.maintenance({ host: "h3", reason: "" });
  const plan = await holdfast("host", "remove", "h3", "--dry-run");
  expect(plan.out).toMatch(
    /^h3 is up, empty and in maintenance: it is shut down first\.\nThe store would have 2 members/u,
  );
  // What is in the way of the removal keeps it up.
  expect(await failure(client.host.remove({ host: "h3" }))).toMatchObject({ code: "edit-store-bears-less" });
  expect(api.view().intents.size).toBe(0);
  const removing = holdfast("host", "remove", "h3", "--accept");
  await goesDown(["last-word"]);
  await leavesTheStore();
  expect(await removing).toMatchObject({ code: 0, out: "h3 is removed; have it back with: holdfast host join h3\n" });
});

test("[HM7] in maintenance, but not empty: it is not told to go down", async () => {
  await api.put(keys.vm(vmId("web")), vm("web"));
  await api.put(keys.owner(vmId("web")), held("h3", 1, 1));
  await client.host.maintenance({ host: "h3", reason: "" });
  expect(await failure(client.host.remove({ host: "h3", accept: true }))).toMatchObject({
    code: "host-remove-holds-vms",
  });
  expect((await client.host.removal({ host: "h3" })).refused).toMatchObject({ code: "host-remove-holds-vms" });
  expect(api.view().intents.size).toBe(0);
});

const inTheWay: readonly (readonly [string, () => Promise<void>, string])[] = [
  ["host-unknown", async () => undefined, "h9"],
  ["host-remove-itself", async () => undefined, "h1"],
  ["host-remove-not-off", async () => undefined, "h3"],
  ["host-remove-not-proven", () => api.put(keys.fence(h3, n1), fence({ proofs: [] })), "h3"],
  [
    "host-remove-holds-vms",
    async () => {
      await api.put(keys.fence(h3, n1), fence());
      await api.put(keys.vm(vmId("web")), vm("web"));
      await api.put(keys.owner(vmId("web")), held("h3", 1, 1));
    },
    "h3",
  ],
];

test.each(inTheWay)("[HM7] refused at once, by API and command: %s", async (code, prepare, name) => {
  await prepare();
  expect(await failure(client.host.remove({ host: name, accept: true }))).toMatchObject({ kind: "refused", code });
  const { refused } = await client.host.removal({ host: name });
  expect(refused).toMatchObject({ code });
  const { code: exit, err } = await holdfast("host", "remove", name, "--accept");
  expect({ exit, told: err.includes(`Code:    ${code}`) }).toEqual({ exit: 1, told: true });
  expect(api.view().removals.size).toBe(0);
});

test("[HM7] on a removed host every order is refused, and its status says why", async () => {
  const h1 = host("h1");
  const by = { name: "root", role: "admin", requestId: "" };
  const removal = {
    schema: 1,
    member: member("h1"),
    device: null,
    incarnation: 1,
    store: "left",
    takenBackAt: null,
    by,
    at: 0,
  };
  await api.put(keys.removedHost(h1), removal);
  expect((await client.cluster.status()).checks.map(({ id }) => id)).not.toContain("answered-by-removed-host");
  await new Promise<void>((resolve) =>
    api.store.commit({ compares: [], writes: [{ kind: "delete", key: keys.member(h1) }] }, 1_000, () => resolve()),
  );
  await until(() => !api.view().members.has(h1), "the member to go");
  expect((await client.cluster.status()).checks.map(({ id }) => id)).toContain("answered-by-removed-host");
  expect(await failure(client.host.maintenance({ host: "h2" }))).toMatchObject({ code: "asked-of-removed-host" });
});

test("[HM7] a plan of what cannot be done is a refusal: cause, effect, remedy, and no success", async () => {
  for (const [code, name] of [
    ["host-unknown", "h9"],
    ["host-remove-not-off", "h2"],
  ] as const) {
    const plan = await holdfast("host", "remove", name, "--dry-run");
    expect(plan).toMatchObject({ code: 1, out: "" });
    expect(plan.err).toContain(`Code:    ${code}\n`);
    const json = await holdfast("host", "remove", name, "--dry-run", "--json");
    expect([json.code, JSON.parse(json.err).code]).toEqual([1, code]);
    // What is in the way, and what else it would take away, as the contract describes it.
    if (code === "host-remove-not-off") expect(JSON.parse(json.out)).toMatchObject({ refused: { code }, votes: {} });
  }
});
