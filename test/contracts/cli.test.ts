import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { z } from "zod";
import { clusterStatusSchema } from "../../src/api/contract/cluster.ts";
import { eventSchema } from "../../src/api/contract/event.ts";
import { contract } from "../../src/api/contract/index.ts";
import { taskSchema } from "../../src/api/contract/task.ts";
import { moment } from "../../src/cli/text.ts";
import { silentCheck } from "../../src/core/silent-qemus.ts";
import type { TaskId, VmId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, startApiHost, until } from "../support/api-host.ts";
import { begin as beginCli, type CliEnv, type Ended, outputOf } from "../support/cli-run.ts";
import { epoch, facts, held, host, incarnation, status } from "../support/records.ts";

let api: ApiHost;
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
});

function begin(line: readonly string[], env: CliEnv = { HOLDFAST_SOCKET: api.socket }): ReturnType<typeof beginCli> {
  return beginCli(line, env);
}

function holdfast(...line: readonly string[]): Promise<Ended> {
  return begin(line).ended;
}

const createWeb = [
  "vm",
  "create",
  "--name",
  "web",
  "--memory",
  "80",
  "--pool",
  "shared",
  "--disk",
  "64",
  "--network",
  "lan",
];

async function created(): Promise<VmId> {
  const { code, err } = await holdfast(...createWeb);
  if (code !== 0) throw new Error(err);
  const [id] = api.view().vms.keys();
  if (id === undefined) throw new Error("no VM");
  return id;
}

/** Plays manager and agent for the one open task. */
async function settleTask(vm: VmId, end: object, owner?: object): Promise<void> {
  const open = () => [...api.view().tasks.values()].find(({ value }) => value.end === null)?.value;
  await until(() => open() !== undefined, "the task");
  const task = open();
  if (task === undefined) throw new Error("no task");
  if (owner !== undefined) await api.put(keys.owner(vm), owner);
  await api.put(keys.vmStatus(vm), status("h1", 1, 1, "running"));
  await api.put(keys.task(task.id as TaskId), { ...task, percent: 100, end });
}

describe("reading commands", () => {
  test("cluster status for people and as JSON", async () => {
    await created();
    const { code, out, err } = await holdfast("cluster", "status");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/Manager +h1 \(term 1\)/u);
    expect(out).toMatch(
      /Bears +the loss of 0 of 2 hosts; wanted 1\n {2}without h1 no VM finds a host: Only 1 of 2 members/u,
    );
    expect(out).toMatch(/web +vm:[a-z0-9]{6} +stopped +stopped/u);
    expect(out).not.toContain("Needs attention");
  });

  test("each --json is exactly what the contract describes", async () => {
    await created();
    const lines: [string[], z.ZodType][] = [
      [["cluster", "status"], clusterStatusSchema.strict()],
      [["host", "list"], outputOf(contract.host.list)],
      [["host", "show", "h1"], outputOf(contract.host.show)],
      [["vm", "list"], outputOf(contract.vm.list)],
      [["vm", "show", "web"], outputOf(contract.vm.show)],
      [["pool", "list"], outputOf(contract.pool.list)],
      [["policy", "show"], outputOf(contract.policy.show)],
      [["task", "list"], outputOf(contract.task.list)],
      [["log"], outputOf(contract.event.list)],
      [["explain", "web"], outputOf(contract.vm.explain)],
    ];
    for (const [line, schema] of lines) {
      const { code, out, err } = await holdfast(...line, "--json");
      expect([line, code, err]).toEqual([line, 0, ""]);
      const printed: unknown = JSON.parse(out);
      expect(schema.parse(printed), line.join(" ")).toEqual(printed);
    }
  });

  test("host show, vm show and pool list for people", async () => {
    await created();
    expect((await holdfast("host", "show", "h2")).out).toMatch(/Holds +nothing/u);
    expect((await holdfast("vm", "show", "web")).out).toMatch(
      /Disks +vm[a-z0-9]{6}-disk-0 \(64 MiB qcow2 in shared\)/u,
    );
    expect((await holdfast("pool", "list")).out).toMatch(/shared +shared-dir +\S+ +64\/4000/u);
    expect((await holdfast("explain", "web")).out).toContain("No decision about it is on record.");
  });

  test("[S14] a QEMU that does not answer: beside the VM's state, and with what helps, until it is another run", async () => {
    const vm = await created();
    await api.put(keys.owner(vm), held("h1", 1, 1));
    await api.put(keys.vmStatus(vm), status("h1", 1, 1, "running"));
    const run = { vm, incarnation: incarnation(1), epoch: epoch(1) };
    const said = silentCheck(api.view(), host("h1"), run, 1_000 as WallMs);
    const known = api.view().facts.get(host("h1"))?.value ?? facts();
    await api.put(keys.hostFacts(host("h1")), { ...known, checks: [...known.checks, said] });
    const shown = async (...line: readonly string[]) => (await holdfast(...line)).out;
    const since = moment(1_000).replace(".", "\\.");
    expect(await shown("vm", "show", "web")).toMatch(new RegExp(`Silent +QEMU has not answered since ${since}\n`, "u"));
    expect(await shown("vm", "list")).toContain("running, QEMU silent");
    expect(await shown("host", "show", "h1")).toMatch(
      /Checks +.*fail: QEMU of VM web on host h1 has not answered since/u,
    );
    const all = await shown("cluster", "status");
    expect(all).toMatch(new RegExp(`FAIL +QEMU of VM web on host h1 has not answered since ${since}\\.\n`, "u"));
    expect(all).toContain("`holdfast vm stop web` ends it");
    await api.put(keys.owner(vm), held("h1", 1, 2));
    expect(await shown("cluster", "status")).not.toContain("has not answered");
    expect(await shown("vm", "show", "web")).not.toContain("Silent");
  });

  test("log renders events, and follows until it is stopped", async () => {
    await created();
    expect((await holdfast("log", "--vm", "web")).out).toMatch(
      /h1 {2}VM web was created \(CPUs: 1, memory: 80 MiB\)\.\n$/u,
    );
    const following = begin(["log", "--follow", "--json"]);
    await until(() => following.out().includes("vm-created"), "the first event");
    await holdfast("vm", "set", "web", "--max-restart", "9");
    await until(() => following.out().includes("vm-changed"), "the next event");
    following.stop();
    const { code, out } = await following.ended;
    expect(code).toBe(0);
    const events = out
      .trim()
      .split("\n")
      .map((text) => eventSchema.parse(JSON.parse(text)));
    expect(events.map((event) => event.type)).toEqual(["vm-created", "vm-changed"]);
  });
});

describe("changing commands", () => {
  test("start waits for its task and tells how it goes", async () => {
    const id = await created();
    const starting = begin(["vm", "start", "web"]);
    await settleTask(id, { kind: "done", at: 1 }, held("h1", 1, 1));
    const { code, out } = await starting.ended;
    expect(code).toBe(0);
    expect(out).toMatch(/^web runs on h1 \(epoch \d+\)\.\n$/u);
    const stopping = begin(["vm", "stop", "web", "--json"]);
    await settleTask(id, { kind: "done", at: 1 });
    const stopped = await stopping.ended;
    expect(stopped.err).toBe("");
    expect(taskSchema.parse(JSON.parse(stopped.out))).toMatchObject({ kind: "stop-vm", end: { kind: "done" } });
  });

  test("a task that fails is refused with why", async () => {
    const id = await created();
    const starting = begin(["vm", "start", "web"]);
    const params = { vm: "web", hosts: "h1, h2", exit: "panicked" };
    await settleTask(id, { kind: "failed", code: "vm-gave-up", params, at: 1 });
    const { code, err } = await starting.ended;
    expect(code).toBe(1);
    expect(err).toContain("VM web failed on every host that was tried (h1, h2); it last ended with panicked.");
    expect(err).toContain("Code:    vm-gave-up");
  });

  test("--no-wait returns at once; --timeout ends the wait, not the task", async () => {
    await created();
    expect(await holdfast("vm", "start", "web", "--no-wait")).toMatchObject({
      code: 0,
      out: expect.stringContaining("task-"),
    });
    const { code, err } = await holdfast("vm", "start", "web", "--timeout", "1");
    // Once nobody is heard here any more it says that instead: no host takes it.
    expect([code, err]).toEqual([3, expect.stringMatching(/Code: +(task-still-open|start-still-waits)\n/u)]);
  });

  test("set and delete", async () => {
    await created();
    const set = await holdfast(
      "vm",
      "set",
      "web",
      "--state",
      "disabled",
      "--start-priority",
      "-5",
      "--failback",
      "off",
    );
    expect(set).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^web: state disabled, .+, failback off, start-priority -5, cpus 1, memory 80 MiB, cpu-model \S+\.\n$/u,
      ),
    });
    const { vm } = JSON.parse((await holdfast("vm", "show", "web", "--json")).out);
    expect(vm).toMatchObject({ requested: "disabled", startPriority: -5, failback: false });
    expect(await holdfast("vm", "delete", "web")).toMatchObject({ code: 0, err: "" });
    expect(api.removed).toHaveLength(1);
    expect((await holdfast("vm", "list")).out).toBe("No VMs.\n");
  });

  test("create from a spec file; options beside it win; a broken one is shown with its place", async () => {
    const file = join(api.folder, "web.yaml");
    writeFileSync(
      file,
      "name: web\ncpus: 2\nmemoryMiB: 90\ndisks: [{pool: shared, sizeMiB: 8, format: raw}]\nmaxRestart: 7\n",
    );
    expect(await holdfast("vm", "create", "--file", file, "--name", "db", "--network", "lan", "--json")).toMatchObject({
      code: 0,
    });
    const { vm } = JSON.parse((await holdfast("vm", "show", "db", "--json")).out);
    expect(vm).toMatchObject({
      cpus: 2,
      memoryMiB: 90,
      maxRestart: 7,
      disks: [{ format: "raw" }],
      nics: [{ network: "lan" }],
    });
    writeFileSync(file, "name: web\nmemoryMiB: lots\n");
    const broken = await holdfast("vm", "create", "--file", file);
    expect(broken.code).toBe(2);
    expect(broken.err).toContain(`${file}, line 2, column 12:`);
    expect(await holdfast("vm", "create", "--file", `${file}.nix`)).toMatchObject({
      code: 2,
      err: expect.stringContaining("ENOENT"),
    });
    expect(api.view().vms.size).toBe(1);
  });
});

describe("refusals and usage", () => {
  test.each<[number, string, string[]]>([
    [1, "vm-unknown", ["vm", "start", "nix"]],
    [1, "host-unknown", ["host", "show", "nix"]],
    [1, "vm-unknown", ["explain", "nix"]],
    [1, "vm-already-stopped", ["vm", "stop", "web"]],
    [1, "vm-not-running", ["vm", "reset", "web"]],
    [1, "vm-name-taken", createWeb],
    [1, "pool-unknown", ["vm", "create", "--name", "b", "--memory", "80", "--pool", "nix", "--disk", "1"]],
    [1, "pool-quota-exceeded", ["vm", "create", "--name", "b", "--memory", "80", "--pool", "shared", "--disk", "4999"]],
    [
      1,
      "network-unknown",
      ["vm", "create", "--name", "b", "--memory", "80", "--pool", "shared", "--disk", "1", "--network", "nix"],
    ],
    [1, "vm-memory-too-large", ["vm", "create", "--name", "b", "--memory", "9000", "--pool", "shared", "--disk", "1"]],
    [1, "vm-nothing-to-boot", ["vm", "create", "--name", "b", "--memory", "80"]],
    [1, "vm-name-malformed", ["vm", "create", "--name", "B B", "--memory", "80", "--pool", "shared", "--disk", "1"]],
    [1, "vm-nothing-to-change", ["vm", "set", "web", "--failback", "on"]],
    [2, "options-contradict", ["vm", "set", "web", "--state", "started", "--requested", "stopped"]],
    [2, "option-missing", ["vm", "create", "--memory", "80"]],
    [2, "options-belong-together", ["vm", "create", "--name", "b", "--memory", "80", "--disk", "1"]],
    [2, "options-need-another", ["vm", "create", "--name", "b", "--memory", "80", "--initrd", "/i"]],
    [2, "option-needs-number", ["vm", "create", "--name", "b", "--memory", "80", "--pool", "shared", "--disk", "1G"]],
  ])("exit %i, %s: %j", async (code, name, line) => {
    await created();
    const { code: ended, out, err } = await holdfast(...line);
    expect([ended, out]).toEqual([code, ""]);
    expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(err).toContain(`Code:    ${name}\n`);
    expect(err).not.toMatch(/\?|\{|undefined/u);
  });

  test.each([
    ["vm", "frob"],
    ["nix"],
    ["vm", "show"],
    ["log", "--limit", "many"],
    ["vm", "set", "web", "--state", "off"],
    ["vm", "list", "--frob"],
    ["vm"],
  ])("what is not understood ends with 2: %s %s", async (...line) => {
    expect((await holdfast(...line)).code).toBe(2);
  });

  test("no daemon: exit 3 and which socket was tried", async () => {
    const { code, err } = await begin(["vm", "list", "--socket", join(api.folder, "nix.sock")], {}).ended;
    expect(code).toBe(3);
    expect(err).toContain(`${api.folder}/nix.sock`);
    expect(err).toContain("Code:    daemon-not-answering");
  });
});

describe("help", () => {
  test.each([
    ["lnk", "--help"],
    ["vm", "lst", "-h"],
    ["--socket", "/nowhere", "lnk", "--help"],
  ])("there is none for what is no command: %s %s", async (...line) => {
    const { code, out, err } = await holdfast(...line);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("unknown command");
  });

  const lines: string[][] = [
    [],
    ["cluster"],
    ...["status", "disarm", "arm", "takeover"].map((verb) => ["cluster", verb]),
    ["host"],
    ...["list", "show", "maintenance", "release", "shutdown", "reboot", "remove", "join"].map((verb) => ["host", verb]),
    ["vm"],
    ...["create", "list", "show", "start", "stop", "migrate", "relocate"].map((verb) => ["vm", verb]),
    ...["cancel-move", "reset", "delete", "set"].map((verb) => ["vm", verb]),
    ["task"],
    ["task", "list"],
    ["pool"],
    ["pool", "list"],
    ["pool", "set"],
    ["policy"],
    ["policy", "show"],
    ["policy", "set"],
    ["rule"],
    ...["add", "list", "show", "set", "remove"].map((verb) => ["rule", verb]),
    ["log"],
    ["explain"],
    ["whatif"],
    ...["host-loss", "link-loss", "maintenance"].map((verb) => ["whatif", verb]),
    ["group"],
    ...["create", "list", "show", "set", "pause", "resume", "switchover", "failover", "delete"].map((verb) => [
      "group",
      verb,
    ]),
    ["point"],
    ...["list", "take", "drop", "export", "test"].map((verb) => ["point", verb]),
    ["branch"],
    ...["list", "export", "delete"].map((verb) => ["branch", verb]),
    ["simulate"],
    ["lab"],
    ["lab", "fault"],
    ["lab", "status"],
  ];
  test.each(lines.map((line) => [line]))("%j shows an example", async (line) => {
    const { code, out } = await holdfast(...line, "--help");
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`Examples:\\n {2}\\$ holdfast ${line.join(" ")}`, "u"));
  });

  test("no command is left out of this list", async () => {
    const known = new Set(lines.map((line) => line.join(" ")));
    for (const line of [
      [],
      ["cluster"],
      ["host"],
      ["vm"],
      ["task"],
      ["pool"],
      ["policy"],
      ["rule"],
      ["whatif"],
      ["group"],
      ["point"],
      ["branch"],
      ["lab"],
    ]) {
      const { out } = await holdfast(...line, "--help");
      const listed = [...(out.split("Commands:")[1] ?? "").matchAll(/^ {2}([a-z-]+)/gmu)].map((hit) => hit[1] ?? "");
      expect(listed.length).toBeGreaterThan(0);
      for (const name of listed.filter((one) => one !== "help")) expect(known).toContain([...line, name].join(" "));
    }
  });
});
