import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { verifyChain } from "../../src/core/events.ts";
import type { IntentId, Revision, TaskId, VmId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { systemActor } from "../../src/model/records.ts";
import { type ApiHost, digest, failure, webSpec as spec, startApiHost, until } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { epoch, fence, heartbeat, held, host, incarnation, member, move, status } from "../support/records.ts";

let api: ApiHost;
let client: Client;

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
});
afterEach(async () => {
  await api.close();
});

/** Makes the VM run, as manager and agent would. */
async function run(id: string, n = 1): Promise<void> {
  await api.put(keys.owner(id as VmId), held("h1", 1, n));
  await api.put(keys.vmStatus(id as VmId), status("h1", 1, n, "running"));
}

async function endTask(id: string, end: object): Promise<void> {
  const task = api.view().tasks.get(id as TaskId)?.value;
  if (task === undefined) throw new Error(`no task ${id}`);
  await api.put(keys.task(id as TaskId), { ...task, percent: 100, end });
}

describe("reading", () => {
  test("an empty cluster", async () => {
    const answer = await client.cluster.status();
    expect(answer).toMatchObject({
      cluster: { name: "test" },
      answeredBy: "h1",
      manager: { host: "h1", term: 1 },
      vms: [],
      checks: [],
    });
    expect(answer.hosts.map((one) => [one.name, one.state])).toEqual([
      ["h1", "up"],
      ["h2", "up"],
    ]);
    expect(answer.asOfMs).toBeGreaterThanOrEqual(0);
  });

  test("hosts and pools, by name; an unknown one is refused by name", async () => {
    expect((await client.host.list()).hosts).toHaveLength(2);
    expect((await client.host.show({ host: "h2" })).host).toMatchObject({
      name: "h2",
      cores: 4,
      holds: [],
      fence: null,
    });
    expect(await failure(client.host.show({ host: "h9" }))).toEqual({
      kind: "refused",
      code: "host-unknown",
      params: { host: "h9", known: "h1, h2" },
    });
    expect((await client.pool.list()).pools).toMatchObject([{ name: "shared", quotaMiB: 4_000, promisedMiB: 0 }]);
  });

  test("a fenced and a frozen host are told with what needs attention", async () => {
    await api.put(keys.fence(host("h2"), incarnation(1)), fence());
    await api.put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ frozen: true, deadlineMs: 600_000 }));
    const { hosts, checks } = await client.cluster.status();
    expect(hosts.map((one) => one.state)).toEqual(["up", "fenced"]);
    expect(checks.map((check) => check.id)).toEqual(["vms-frozen", "fence-in-force"]);
  });

  test("a host whose power the fence cut is off until somebody switches it on, and that is said until it has another life", async () => {
    await api.put(keys.fence(host("h2"), incarnation(1)), fence({ device: "begun", proofs: [] }));
    expect((await client.host.list()).hosts[1]).toMatchObject({ state: "fenced", poweredOff: false });
    await api.put(keys.fence(host("h2"), incarnation(1)), fence({ device: "confirmed", proofs: ["power-off"] }));
    expect((await client.host.list()).hosts[1]).toMatchObject({ state: "fenced", poweredOff: true });
    expect((await client.cluster.status()).checks).toMatchObject([
      { id: "fenced-host-is-off", params: { host: "h2" } },
    ]);
    const { out } = await begin(["host", "list"], { HOLDFAST_SOCKET: api.socket }).ended;
    expect(out).toMatch(/^h2 +host +fenced, off: switch it on +/mu);
    const registration = { schema: 1, incarnation: 2, nonce: "nonce-2", machine: "h2", registeredAt: 0 };
    await api.put(keys.host(host("h2")), registration);
    expect((await client.host.list()).hosts[1]).toMatchObject({ state: "absent", poweredOff: false });
  });

  test("a host whose heartbeats stop is silent, and its VMs are lost rather than stopped", async () => {
    const { id } = await client.vm.create(spec);
    await client.vm.start({ vm: id });
    await api.put(keys.owner(id as VmId), held("h2", 1, 1));
    await api.put(keys.heartbeat(host("h2"), incarnation(1)), heartbeat({ deadlineMs: 1 }));
    await expect
      .poll(async () => {
        // Others go on: this host is not the deaf one.
        await api.put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ deadlineMs: 600_000 }));
        return (await client.vm.show({ vm: "web" })).vm.state;
      })
      .toBe("lost");
    const checks = (await client.cluster.status()).checks.map((check) => check.id);
    expect(checks).toEqual(["heartbeats-missing", "host-losses-not-borne"]);
  });

  test("[PL6] how many host losses are borne, with the first that is not; a warning below what is wanted", async () => {
    const { id } = await client.vm.create(spec);
    await client.vm.start({ vm: id });
    await api.put(keys.owner(id as VmId), held("h2", 1, 1));
    const { admission, checks } = await client.cluster.status();
    expect(admission).toMatchObject({ hosts: 2, bears: 0, wanted: 1, exact: true, counterexample: { losing: ["h1"] } });
    expect(admission.counterexample?.why.code).toBe("store-loses-majority");
    const params = { bears: 0, wanted: 1, losing: "h1" };
    expect(checks).toMatchObject([{ id: "host-losses-not-borne", level: "warn", params }]);
    await api.put(keys.member(host("w")), { ...member("w"), role: "witness" });
    // Where it takes long, on a slow machine, an answer is kept for a while.
    const now = () => expect.poll(async () => (await client.cluster.status()).admission, { timeout: 30_000 });
    const counterexample = { losing: ["h2"], vm: "web", why: { code: "proof-unobtainable" } };
    await now().toMatchObject({ counterexample });
    await api.put(keys.fenceDevice(host("h2")), { schema: 1, agent: "fence_ipmilan", options: {} });
    await now().toMatchObject({ bears: 1 });
  });

  test("what this version cannot read is shown and not taken for absent", async () => {
    await api.put(keys.vm("vm:future" as VmId), { schema: 99 });
    expect((await client.cluster.status()).checks).toMatchObject([{ id: "record-unreadable", level: "fail" }]);
    expect(await failure(client.vm.show({ vm: "vm:future" }))).toMatchObject({ code: "vm-unreadable" });
  });
});

describe("changing", () => {
  test("create, list, show; the name is unique", async () => {
    const created = await client.vm.create(spec);
    expect(created).toMatchObject({ name: "web", id: expect.stringMatching(/^vm:[a-z0-9]{6}$/u) });
    expect((await client.vm.list()).vms).toMatchObject([{ id: created.id, requested: "stopped", state: "stopped" }]);
    const { vm } = await client.vm.show({ vm: "web" });
    expect(vm.disks).toMatchObject([
      { volume: `${created.id.replace(":", "")}-disk-0`, pool: "shared", format: "qcow2" },
    ]);
    expect(vm.nics).toMatchObject([{ network: "lan", mac: expect.stringMatching(/^52:54:00(:[0-9a-f]{2}){3}$/u) }]);
    expect(await failure(client.vm.create(spec))).toMatchObject({ kind: "refused", code: "vm-name-taken" });
    expect((await client.vm.list()).vms).toHaveLength(1);
  });

  test("of many at once with one name exactly one is created", async () => {
    const ends = await Promise.all(Array.from({ length: 8 }, () => failure(client.vm.create(spec))));
    expect(ends.filter((end) => typeof end === "object" && end !== null && "id" in end)).toHaveLength(1);
    expect(ends.filter((end) => typeof end === "object" && end !== null && "code" in end)).toHaveLength(7);
    expect((await client.vm.list()).vms).toHaveLength(1);
  });

  test("input that does not fit is a refusal that names the field", async () => {
    expect(await failure(client.vm.create({ ...spec, name: "Not A Name" }))).toMatchObject({
      kind: "refused",
      code: "vm-name-malformed",
      params: { field: "name" },
    });
    expect(await failure(client.vm.create({ ...spec, memoryMiB: 1 }))).toMatchObject({
      code: "input-too-small",
      params: { field: "memoryMiB", least: 16 },
    });
    const typo = { ...spec, memory: 80 } as never;
    expect(await failure(client.vm.create(typo))).toMatchObject({ code: "input-field-unknown" });
  });

  test("a repeated request id answers as the first time and does nothing", async () => {
    const requestId = "request-0001";
    const first = await client.vm.create({ ...spec, requestId });
    expect(await client.vm.create({ ...spec, requestId })).toEqual(first);
    const task = await client.vm.start({ vm: "web", requestId: "request-0002" });
    expect(await client.vm.start({ vm: "web", requestId: "request-0002" })).toEqual(task);
    expect(await failure(client.vm.create({ ...spec, name: "other", requestId }))).toMatchObject({
      code: "request-id-reused",
    });
    expect((await client.vm.list()).vms).toHaveLength(1);
  });

  test("start writes the wish and a task, which is followed to its end", async () => {
    const { id } = await client.vm.create(spec);
    const task = await client.vm.start({ vm: "web" });
    expect(task).toMatchObject({ kind: "start-vm", vm: id, percent: 0, end: null });
    expect((await client.vm.show({ vm: "web" })).vm).toMatchObject({ state: "waiting", tasks: [{ id: task.id }] });
    expect((await client.vm.start({ vm: "web" })).id).toBe(task.id);
    const seen: number[] = [];
    const followed = (async () => {
      for await (const now of await client.task.follow({ task: task.id })) seen.push(now.percent);
    })();
    await run(id);
    await endTask(task.id, { kind: "done", at: 1 });
    await followed;
    expect(seen.at(-1)).toBe(100);
    expect((await client.task.show({ task: task.id })).end).toEqual({ kind: "done", at: 1 });
    expect(await failure(client.vm.start({ vm: "web" }))).toMatchObject({ code: "vm-already-running" });
    expect(await failure(client.task.show({ task: "task-nix" }))).toMatchObject({ code: "task-unknown" });
  });

  test("stop and delete: only what nobody holds is deleted, with its volumes", async () => {
    const { id } = await client.vm.create(spec);
    expect(await failure(client.vm.stop({ vm: "web" }))).toMatchObject({ code: "vm-already-stopped" });
    await client.vm.start({ vm: "web" });
    expect(await failure(client.vm.delete({ vm: "web" }))).toMatchObject({ code: "vm-wanted-started" });
    await run(id);
    expect(await failure(client.vm.delete({ vm: "web" }))).toMatchObject({
      code: "vm-not-stopped",
      params: { host: "h1" },
    });
    expect(await client.vm.stop({ vm: "web" })).toMatchObject({ kind: "stop-vm" });
    await api.put(keys.owner(id as VmId), { ...held("h1", 1, 1), kind: "released", failed: null });
    expect(await client.vm.delete({ vm: "web" })).toMatchObject({ id, volumes: [{ pool: "shared", kept: null }] });
    expect(api.removed).toEqual([`${id.replace(":", "")}-disk-0`]);
    expect(await failure(client.vm.show({ vm: "web" }))).toMatchObject({ code: "vm-unknown" });
    expect(await client.vm.create(spec)).toMatchObject({ name: "web" });
  });

  test("a reset waits for the agent's answer, and a refused one is told", async () => {
    const { id } = await client.vm.create(spec);
    expect(await failure(client.vm.reset({ vm: "web" }))).toMatchObject({ code: "vm-not-running" });
    await client.vm.start({ vm: "web" });
    await run(id);
    const answers = [
      { kind: "done", at: 1 as WallMs },
      { kind: "refused", code: "vm-not-running", params: { vm: "web" }, at: 1 as WallMs },
    ];
    const ends: unknown[] = [];
    for (const answer of answers) {
      const asked = failure(client.vm.reset({ vm: "web" }));
      await until(() => openIntent() !== undefined, "the intent");
      const intent = openIntent();
      if (intent === undefined) throw new Error("no intent");
      await api.put(keys.intent(intent.id as IntentId), { ...intent, answer });
      ends.push(await asked);
    }
    expect(ends).toEqual([
      { id, name: "web" },
      { kind: "refused", code: "vm-not-running", params: { vm: "web" } },
    ]);
    const live = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };
    await api.put(keys.vmMove(id as VmId), { ...move("web", "h1", "h2", { epoch: epoch(1), live }), vm: id as VmId });
    const between = { code: "vm-between-hosts", params: { vm: "web", host: "h2" } };
    expect(await failure(client.vm.reset({ vm: "web" }))).toMatchObject(between);
  });

  test("set changes what is wanted", async () => {
    await client.vm.create(spec);
    expect(await client.vm.set({ vm: "web", requested: "ignored", maxRestart: 7 })).toMatchObject({
      requested: "ignored",
      maxRestart: 7,
    });
    expect(await failure(client.vm.set({ vm: "web", maxRestart: 7 }))).toMatchObject({ code: "vm-nothing-to-change" });
  });
});

function openIntent() {
  return [...api.view().intents.values()].map(({ value }) => value).find((intent) => intent.answer.kind === "open");
}

describe("history", () => {
  test("each change tells of itself in its own transaction, in an intact chain", async () => {
    const { id } = await client.vm.create({ ...spec, requestId: "request-0003" });
    const createdAt = api.view().vms.get(id as VmId)?.revision;
    await client.vm.start({ vm: "web" });
    const { events } = await client.event.list({ vm: "web" });
    expect(events.map((event) => event.type)).toEqual(["vm-created", "vm-start-requested"]);
    expect(events[0]).toMatchObject({
      revision: createdAt,
      actor: { name: "root", requestId: "request-0003" },
      subjects: { vm: id },
    });
    const chain = api.journal.read({ limit: 100 }).map((stored) => stored.event);
    expect(verifyChain(chain, digest)).toEqual({ kind: "intact", events: 2 });
    expect(await failure(client.event.list({ vm: "nix" }))).toMatchObject({ code: "vm-unknown" });
    expect((await client.event.list({ type: "vm-created", limit: 1 })).events).toHaveLength(1);
  });

  test("following gives the newest first and then each one once", async () => {
    await client.vm.create(spec);
    const types: string[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const event of await client.event.follow({ limit: 10 }, { signal: stop.signal }))
        types.push(event.type);
    })().catch(() => {});
    await until(() => types.length === 1, "the first event");
    await client.vm.start({ vm: "web" });
    await client.vm.set({ vm: "web", maxRestart: 9 });
    await until(() => types.length === 3, "the events that follow");
    stop.abort();
    await following;
    expect(types).toEqual(["vm-created", "vm-start-requested", "vm-changed"]);
  });

  test("explain shows decisions with reason and alternatives, and nothing else", async () => {
    const { id } = await client.vm.create(spec);
    const reason = { rule: "S14", code: "vm-wanted-and-free", params: { vm: "web" } };
    const why = { rule: "PL1", code: "host-is-witness", params: { host: "w1" } };
    const base = { schema: 1 as const, host: host("h1"), boot: "b", seq: 1, actor: systemActor, at: 1 as WallMs };
    const event = {
      ...base,
      type: "vm-placed",
      subjects: { vm: id as VmId },
      params: { vm: "web", host: "h1", epoch: 1 },
      reason,
      alternatives: [{ option: "w1", why }],
      previous: "",
    };
    api.journal.add([{ event, revision: 1_000 as Revision }]);
    const { decisions } = await client.vm.explain({ vm: "web" });
    expect(decisions).toMatchObject([{ type: "vm-placed", reason, alternatives: [{ option: "w1", why }] }]);
  });
});
