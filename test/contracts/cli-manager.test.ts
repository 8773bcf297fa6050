import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GroupId, PoolId, Revision, VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { eventSchema, systemActor } from "../../src/model/records.ts";
import { type ApiHost, startApiHost, until } from "../support/api-host.ts";
import { commandsAt } from "../support/cli-commands.ts";
import { begin } from "../support/cli-run.ts";
import {
  facts,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  member,
  move,
  pool,
  status,
  vmId,
} from "../support/records.ts";

let api: ApiHost;
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
});

const { holdfast, done, createdWeb } = commandsAt(() => api);

describe("what people ask of the manager", () => {
  test("maintenance, quarantine and mode of a host, for people", async () => {
    expect(await done("host", "maintenance", "h2", "--reason", "new memory")).toBe(
      "h2 is in maintenance: it holds no VMs. End it with: holdfast host release h2\n",
    );
    const losses = { schema: 1, counted: 1, at: [1, 2, 3], quarantinedUntil: Date.now() + 600_000 };
    await api.put(keys.hostLosses(host("h2")), losses);
    const mode = { schema: 1, incarnation: 1, mode: "leaving", next: "reboot", at: 1 };
    await api.put(keys.hostMode(host("h1")), mode);
    expect(await done("host", "list")).toMatch(/^h1 .*up, leaving .*\nh2 .*up, maintenance, quarantine/mu);
    expect(await done("host", "show", "h2")).toMatch(
      /Held back +in maintenance by root since .+: new memory; in quarantine until /u,
    );
    expect(await done("host", "show", "h1")).toMatch(/Next +reboot \(leaving\)/u);
    expect(await done("host", "release", "h2")).toBe("h2 takes VMs again.\n");
    expect(await done("host", "show", "h2")).toMatch(/Held back +no\n/u);
  });

  test("what a host and its VMs use, where it was measured in this incarnation", async () => {
    const id = await createdWeb();
    await api.put(keys.owner(id), held("h1", 1, 1));
    expect((await done("host", "show", "h1")) + (await done("vm", "show", "web"))).not.toContain("In use");
    const usage = {
      schema: 1,
      host: { cores: 1.5, memoryMiB: 900 },
      vms: { [id]: { cores: 0.25, memoryMiB: 70 } },
      at: 1,
    };
    await api.put(keys.hostUsage(host("h1")), { ...usage, incarnation: 1 });
    expect(await done("host", "show", "h1")).toMatch(/In use +1\.50 cores, 900 MiB \(since \d+-/u);
    expect(await done("vm", "show", "web")).toMatch(/In use +0\.25 cores, 70 MiB \(since \d+-/u);
    expect(JSON.parse(await done("vm", "show", "web", "--json")).vm.usage).toEqual({
      cores: 0.25,
      memoryMiB: 70,
      at: 1,
    });
    await api.put(keys.hostUsage(host("h1")), { ...usage, incarnation: 2 });
    expect(await done("host", "show", "h1")).not.toContain("In use");
    expect(JSON.parse(await done("vm", "show", "web", "--json")).vm.usage).toBeNull();
  });

  test("disarm and arm", async () => {
    expect(await done("cluster", "disarm", "--mode", "ignore")).toContain("disarmed (ignore)");
    const status = await done("cluster", "status");
    expect(status).toMatch(/Armed +no: ignore, by root since /u);
    expect(status).toMatch(/WARN +The cluster is disarmed \(ignore\) by root\./u);
    expect(await done("cluster", "arm")).toBe("The cluster is armed.\n");
    expect(await done("cluster", "status")).toMatch(/Armed +yes/u);
  });

  test("a move that is not waited for, and one that is dropped", async () => {
    const id = await createdWeb();
    expect(await done("vm", "migrate", "web", "h2", "--no-wait")).toMatch(/^web: migrate is recorded as task-/u);
    const waiting = begin(["vm", "relocate", "web", "h1", "--json"], { HOLDFAST_SOCKET: api.socket });
    const wanted = () => [...api.view().tasks.values()].find(({ value }) => value.to === "h1")?.value;
    await until(() => wanted() !== undefined, "the task");
    const task = wanted();
    if (task === undefined) throw new Error("no task");
    const why = { rule: "PL1", code: "host-is-silent", params: { host: "h1", silentMs: 3784 } };
    const end = { kind: "failed", code: "order-dropped", params: { vm: "web", host: "h1" }, why, at: 1 };
    await api.put(keys.task(task.id), { ...task, end });
    const { code, err } = await waiting.ended;
    expect(code).toBe(1);
    expect(err).toContain("The order to move VM web to host h1 was dropped: h1 has been silent for 3784 ms.");
    expect(api.view().orders.get(id)?.value.order).toEqual({ kind: "relocate", to: "h1" });
  });

  test("vm show and explain tell of an error and its way out, an order, a move, and what is remembered", async () => {
    const id = await createdWeb();
    await done("vm", "migrate", "web", "h2", "--no-wait");
    const reason = { rule: "S14", code: "vm-wanted-and-free", params: { vm: "web" } };
    const move = {
      schema: 1,
      vm: id,
      kind: "relocate",
      from: "h2",
      incarnation: 1,
      epoch: null,
      to: "h1",
      reason,
      at: 1,
    };
    const failed = { kind: "failed", code: "vm-not-running", params: { vm: "web" } };
    await api.put(keys.vmMove(id), { ...move, answer: failed });
    const failedMoves = { count: 3, to: "h1", code: "vm-not-running" };
    await api.put(keys.vmPlan(id), { schema: 1, error: null, returnTo: "h2", failedMoves });
    const shown = await done("vm", "show", "web");
    expect(shown).toMatch(/^State +stopped\nService +stopped$/mu);
    expect(shown).toMatch(/Ordered +migrate to h2, by root at /u);
    expect(shown).toMatch(/Move +relocate from h2 to h1: VM web is wanted .+; it failed: VM web is not running\./u);
    expect(shown).toMatch(
      /Returns to +h2, after its maintenance\nFailed moves +3 in a row, last to h1 \(vm-not-running\)/u,
    );
    const error = { code: "vm-gave-up", params: { vm: "web", hosts: "h1", exit: "panicked" }, at: 1 };
    await api.put(keys.vmPlan(id), { schema: 1, error, returnTo: null, failedMoves: null });
    expect(await done("vm", "show", "web")).toMatch(
      /Error +VM web failed on every host.+\nWay out .+--state disabled/u,
    );
    const explained = await done("explain", "web");
    expect(explained).toMatch(/^web is wanted stopped; it is failed\.\nError .+\nWay out .+\n/u);
    // What a refusal sends to sends no further.
    expect((await holdfast("vm", "start", "web")).err).toMatch(
      /Remedy: +`holdfast explain web` says why\..+\nCode: +vm-in-error\n/u,
    );
    expect(explained).not.toContain("`holdfast explain");
    expect(explained).not.toContain("`holdfast vm show");
    expect(await done("cluster", "status")).toMatch(
      /FAIL +VM web has failed and was given up \(state failed; as a service: error\)\./u,
    );
    const { vm } = JSON.parse(await done("explain", "web", "--json"));
    expect(vm).toMatchObject({
      error,
      order: { kind: "migrate", to: "h2" },
      move: { failed: { code: "vm-not-running" } },
    });
  });

  test("explain shows what needs somebody's attention, too, with its effect and remedy", async () => {
    const id = await createdWeb();
    const base = { schema: 1, host: "h1", boot: "b", seq: 1, actor: systemActor, at: 1, reason: null, previous: "" };
    const gaveUp = { type: "vm-gave-up", subjects: { vm: id }, params: { vm: "web", hosts: "h1, h2", exit: "killed" } };
    const why = { rule: "PL1", code: "host-memory-short", params: { host: "h2", freeMiB: 1, neededMiB: 80 } };
    const event = eventSchema.parse({ ...base, ...gaveUp, alternatives: [{ option: "h2", why }] });
    api.journal.add([{ event, revision: 1_000 as Revision }]);
    expect(await done("explain", "web")).toMatch(
      /VM web failed on every host.+\n {2}effect {3}It is not.+\n {2}remedy {3}`holdfast log --vm web` .+\n {2}not h2: has 1 MiB free; 80 MiB are needed\. \(PL1\)\n/u,
    );
  });

  test("the policy", async () => {
    const set = ["--scheduler", "dynamic", "--auto-rebalance", "on", "--threshold", "0.2", "--hold", "60"];
    const more = ["--quarantine-losses", "0", "--return-after-maintenance", "always", "--host-reserve", "64"];
    const { code, out: text } = await holdfast("policy", "set", ...set, ...more);
    expect(code).toBe(0);
    expect(text).toMatch(/Auto-rebalance +on; bruteforce, threshold 0\.2, hold 60 s, margin 0\.1/u);
    expect(text).toMatch(/Quarantine +never/u);
    expect(await done("policy", "show")).toBe(text);
  });

  test("how guests move: links in order, bandwidth, pause; without TLS with a warning", async () => {
    const links = ["--migration-links", "10.0.1.0/24, migration", "--migration-bandwidth", "400"];
    const text = await done("policy", "set", ...links, "--migration-downtime", "200");
    expect(text).toMatch(/Migration links +10\.0\.1\.0\/24, then migration\n/u);
    expect(text).toMatch(/Migration bandwidth +400 MiB\/s for each move\nMigration downtime +200 ms wished\n/u);
    const open = await holdfast("policy", "set", "--migration-tls", "off");
    expect([open.code, open.out]).toEqual([0, text.replace(/(Migration TLS +)on/u, "$1off")]);
    expect(open.err).toMatch(/WARN +Guests are moved without TLS\.\n +Whoever .+\n +Only for a direct cable/u);
    expect(await done("cluster", "status")).toContain("Guests are moved without TLS.");
    expect(await done("policy", "show")).toBe(open.out + open.err);
    const usual = ["--migration-links", "default", "--migration-bandwidth", "0", "--migration-tls", "on"];
    expect(await done("policy", "set", ...usual)).toMatch(/Migration links +default: .+\n.+what the link bears/u);
  });

  test("moves that go first over the link of a group's copies: told where they are set, and among the cluster's warnings", async () => {
    const mode = { kind: "synchronous", boundMs: 2_000 };
    const group = { schema: 1, name: "office", vms: [vmId("db")], source: "h1", target: "h2", mode, paused: [] };
    const warning =
      /WARN +Guests of h1, h2 are moved over 10\.0\.1\.0\/24 first, which carries the writes of their groups/u;
    expect(await done("cluster", "status")).not.toMatch(warning);
    await api.put(keys.group("office" as GroupId), { ...group, points: null, createdAt: 0 });
    const set = await holdfast("policy", "set", "--migration-bandwidth", "300");
    expect(set).toMatchObject({ code: 0, err: expect.stringMatching(warning) });
    expect(await done("cluster", "status")).toMatch(warning);
  });
});

test.each<[number, string, string[]]>([
  [1, "host-unknown", ["host", "maintenance", "nix"]],
  [1, "vm-unknown", ["vm", "migrate", "nix", "h1"]],
  [1, "host-unknown", ["vm", "relocate", "web", "nix"]],
  [1, "host-unknown", ["host", "reboot", "nix"]],
  [1, "host-not-held-back", ["host", "release", "h1"]],
  [1, "cluster-armed-already", ["cluster", "arm"]],
  [1, "policy-nothing-to-change", ["policy", "set"]],
  [1, "policy-rebalance-needs-figures", ["policy", "set", "--auto-rebalance", "on"]],
  [1, "policy-losses-impossible", ["policy", "set", "--wanted-host-losses", "2"]],
  [1, "policy-link-unknown", ["policy", "set", "--migration-links", "migration,10.9.9.0/24"]],
  [1, "policy-link-twice", ["policy", "set", "--migration-links", "migration,migration"]],
  [1, "policy-reserve-too-large", ["policy", "set", "--host-reserve", "9999999"]],
])("exit %i, %s: %j", async (code, name, line) => {
  await createdWeb();
  const { code: ended, out, err } = await holdfast(...line);
  expect([ended, out]).toEqual([code, ""]);
  expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
  expect(err).toContain(`Code:    ${name}\n`);
  expect(err).not.toMatch(/\?|\{|undefined/u);
});

describe("a move that would be in vain is refused at once, with cause, effect and remedy", () => {
  const h2 = host("h2");
  const losses = { schema: 1, counted: 1, at: [1, 2, 3], quarantinedUntil: Date.now() + 600_000 };
  const error = { code: "vm-gave-up", params: { vm: "web" }, at: 1 };
  const live = { kind: "asked" } as const;
  const guestCpu = { vendor: "test", flags: [], models: { qemu64: ["sse3"] } };
  const records: [string, (id: VmId) => Promise<void>][] = [
    ["move-host-fenced", () => api.put(keys.fence(h2, incarnation(1)), fence())],
    ["move-host-in-quarantine", () => api.put(keys.hostLosses(h2), losses)],
    ["move-host-full", () => api.put(keys.hostFacts(h2), facts({ memoryForVmsMiB: 10 }))],
    ["move-cpu-flags-missing", () => api.put(keys.hostFacts(h2), facts({ guestCpu }))],
    [
      "move-pool-short",
      async () => {
        await api.put(keys.pool("shared" as PoolId), pool("shared", "local-dir"));
        const pools = [{ pool: "shared" as PoolId, capacityMiB: 100, freeMiB: 10, unfit: null }];
        await api.put(keys.hostFacts(h2), facts({ pools }));
      },
    ],
    [
      "move-cpu-vendor-differs",
      async () => {
        const cpu = { flags: [], models: { qemu64: [] } };
        await api.put(keys.hostFacts(host("h1")), facts({ guestCpu: { vendor: "one", ...cpu } }));
        await api.put(keys.hostFacts(h2), facts({ guestCpu: { vendor: "other", ...cpu } }));
      },
    ],
    ["move-pool-missing", () => api.put(keys.hostFacts(h2), facts({ pools: [] }))],
    ["move-network-missing", () => api.put(keys.hostFacts(h2), facts({ networks: [] }))],
    ["move-to-witness", () => api.put(keys.member(h2), member("h2", { role: "witness" }))],
    ["move-host-in-maintenance", async () => void (await holdfast("host", "maintenance", "h2", "--no-wait"))],
    [
      "move-host-agent-silent",
      () => api.put(keys.heartbeat(h2, incarnation(1)), heartbeat({ agentAgeMs: 90_000, deadlineMs: 600_000 })),
    ],
    ["move-already-there", (id) => api.put(keys.owner(id), held("h2", 1, 4))],
    [
      "move-of-locked-vm",
      (id) => api.put(keys.vm(id), { ...api.view().vms.get(id)?.value, lock: { kind: "backup", at: 1 } }),
    ],
    ["cluster-disarmed", async () => void (await holdfast("cluster", "disarm", "--mode", "freeze"))],
    ["move-no-common-link", () => api.put(keys.member(h2), member("h2", { links: [] }))],
    ["vm-in-error", (id) => api.put(keys.vmPlan(id), { schema: 1, error, returnTo: null, failedMoves: null })],
    ["move-under-way", (id) => api.put(keys.vmMove(id), { ...move("web", "h1", "h2", { live }), vm: id })],
  ];
  test.each(records)("%s", async (code, write) => {
    const id = await createdWeb();
    await api.put(keys.vm(id), { ...api.view().vms.get(id)?.value, requested: "started" });
    await api.put(keys.owner(id), held("h1", 1, 4));
    await api.put(keys.vmStatus(id), status("h1", 1, 4, "running"));
    await write(id);
    const { code: ended, out, err } = await holdfast("vm", "migrate", "web", "h2", "--no-wait");
    expect([ended, out]).toEqual([1, ""]);
    expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(err).toContain(`Code:    ${code}\n`);
    expect(err).not.toMatch(/\?|\{|undefined/u);
    expect([...api.view().orders.keys()]).toEqual([]);
  });
});

test.each([
  ["cluster", "disarm"],
  ["vm", "migrate", "web"],
  ["vm", "stop", "web", "--grace", "soon"],
  ["cluster", "disarm", "--mode", "off"],
  ["policy", "set", "--threshold", "much"],
  ["policy", "set", "--shutdown-policy", "nix"],
  ["policy", "set", "--migration-links", "migration,"],
  ["policy", "set", "--migration-bandwidth", "fast"],
  ["policy", "set", "--threshold", "0.4", "--threshold", "0.2"],
])("what is not understood ends with 2: %s %s %s", async (...line) => {
  expect((await holdfast(...line)).code).toBe(2);
});

test("whoever asks for JSON gets troubles as one line of JSON, and nothing on stdout", async () => {
  const cases: [number, string, object, string[]][] = [
    [1, "vm-unknown", { vm: "nix", known: "none" }, ["vm", "show", "nix", "--json"]],
    [1, "host-not-held-back", { host: "h1" }, ["host", "release", "h1", "--json"]],
    [
      1,
      "policy-losses-impossible",
      { wanted: 9, hosts: 2, most: 1 },
      ["policy", "set", "--wanted-host-losses", "9", "--json"],
    ],
    [2, "option-missing", { option: "--name" }, ["vm", "create", "--json"]],
    [2, "command-not-understood", {}, ["vm", "list", "--frob", "--json"]],
  ];
  for (const [exit, code, params, line] of cases) {
    const ended = await holdfast(...line);
    expect([line, ended.code, ended.out, ended.err.trimEnd().split("\n").length]).toEqual([line, exit, "", 1]);
    const said = JSON.parse(ended.err);
    expect(Object.keys(said)).toEqual(["code", "cause", "effect", "remedy", "params"]);
    expect(said).toMatchObject({ code, params });
  }
  const nobody = begin(["vm", "list", "--json"], { HOLDFAST_SOCKET: `${api.socket}.nix` });
  expect(JSON.parse((await nobody.ended).err)).toMatchObject({ code: "daemon-not-answering" });
  expect((await holdfast("vm", "frob")).err).toMatch(
    /^Cause: .+\nEffect: .+\nRemedy: .+--help\.\nCode: {4}command-not-/u,
  );
});
