import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { z } from "zod";
import { clusterStatusSchema } from "../../src/api/contract/cluster.ts";
import { eventSchema } from "../../src/api/contract/event.ts";
import { contract } from "../../src/api/contract/index.ts";
import { taskSchema } from "../../src/api/contract/task.ts";
import { cli } from "../../src/cli/index.ts";
import type { TaskId, VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, startApiHost, until } from "../support/api-host.ts";
import { held, status } from "../support/records.ts";

const root = join(import.meta.dirname, "..", "..");
let api: ApiHost;
const servers: Server[] = [];
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
  for (const server of servers.splice(0)) server.close();
});

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };
type Running = { readonly ended: Promise<Ended>; readonly out: () => string; readonly stop: () => void };
type Env = { readonly HOLDFAST_SOCKET?: string; readonly HOLDFAST_LAB?: string };

/** The command in this process: same code, no start-up. */
function begin(line: readonly string[], env: Env = { HOLDFAST_SOCKET: api.socket }): Running {
  const said = { out: "", err: "" };
  const stop = new AbortController();
  const ended = cli(line, {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    tty: false,
    env,
    stop: stop.signal,
  }).then((code) => ({ code, ...said }));
  return { ended, out: () => said.out, stop: () => stop.abort() };
}

function holdfast(...line: readonly string[]): Promise<Ended> {
  return begin(line).ended;
}

/** The real thing: wrapper, process, exit code. */
function spawned(path: string, line: readonly string[], env: Env): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { PATH } = process.env;
    const child = spawn(path, line, { env: { PATH, ...env }, cwd: "/" });
    const said = { out: "", err: "" };
    child.stdout.on("data", (piece) => {
      said.out += piece;
    });
    child.stderr.on("data", (piece) => {
      said.err += piece;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...said }));
  });
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

  test("log renders events, and follows until it is stopped", async () => {
    await created();
    expect((await holdfast("log", "--vm", "web")).out).toMatch(/h1 {2}VM web was created: 1 CPUs, 80 MiB\.\n$/u);
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

function outputOf(procedure: { readonly "~orpc": { readonly outputSchema?: unknown } }): z.ZodType {
  return procedure["~orpc"].outputSchema as z.ZodType;
}

describe("changing commands", () => {
  test("start waits for its task and tells how it goes", async () => {
    const id = await created();
    const starting = begin(["vm", "start", "web"]);
    await settleTask(id, { kind: "done", at: 1 }, held("h1", 1, 1));
    const { code, err } = await starting.ended;
    expect(code).toBe(0);
    expect(err.trim().split("\n").at(-1)).toBe("web: running on h1 (100 %)");
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
    expect([code, err.includes("Code:    task-still-open")]).toEqual([3, true]);
  });

  test("set and delete", async () => {
    await created();
    expect(await holdfast("vm", "set", "web", "--requested", "disabled")).toMatchObject({ code: 0 });
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
    [1, "input-does-not-fit", ["vm", "create", "--name", "B B", "--memory", "80", "--pool", "shared", "--disk", "1"]],
    [2, "option-missing", ["vm", "create", "--memory", "80"]],
    [2, "options-belong-together", ["vm", "create", "--name", "b", "--memory", "80", "--disk", "1"]],
    [2, "options-belong-together", ["vm", "create", "--name", "b", "--memory", "80", "--kernel", "/k"]],
    [2, "option-needs-number", ["vm", "create", "--name", "b", "--memory", "80", "--pool", "shared", "--disk", "1G"]],
  ])("exit %i, %s: %j", async (code, name, line) => {
    await created();
    const { code: ended, out, err } = await holdfast(...line);
    expect([ended, out]).toEqual([code, ""]);
    expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(err).toContain(`Code:    ${name}\n`);
    expect(err).not.toMatch(/\?|\{|undefined/u);
  });

  test.each([["vm", "frob"], ["nix"], ["vm", "show"], ["log", "--limit", "many"], ["vm", "list", "--frob"], ["vm"]])(
    "what is not understood ends with 2: %s %s",
    async (...line) => {
      expect((await holdfast(...line)).code).toBe(2);
    },
  );

  test("no daemon: exit 3 and which socket was tried", async () => {
    const { code, err } = await begin(["vm", "list", "--socket", join(api.folder, "nix.sock")], {}).ended;
    expect(code).toBe(3);
    expect(err).toContain(`${api.folder}/nix.sock`);
    expect(err).toContain("Code:    daemon-not-answering");
  });
});

describe("help", () => {
  const lines: string[][] = [
    [],
    ["cluster"],
    ["cluster", "status"],
    ["host"],
    ["host", "list"],
    ["host", "show"],
    ["vm"],
    ...["create", "list", "show", "start", "stop", "reset", "delete", "set"].map((verb) => ["vm", verb]),
    ["pool"],
    ["pool", "list"],
    ["rule"],
    ...["add", "list", "show", "set", "remove"].map((verb) => ["rule", verb]),
    ["log"],
    ["explain"],
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
    for (const line of [[], ["cluster"], ["host"], ["vm"], ["pool"], ["rule"], ["lab"]]) {
      const { out } = await holdfast(...line, "--help");
      const listed = [...(out.split("Commands:")[1] ?? "").matchAll(/^ {2}([a-z]+)/gmu)].map((hit) => hit[1] ?? "");
      expect(listed.length).toBeGreaterThan(0);
      for (const name of listed.filter((one) => one !== "help")) expect(known).toContain([...line, name].join(" "));
    }
  });
});

describe("lab", () => {
  async function labAnswering(answer: object): Promise<{ socket: string; asked: () => unknown }> {
    let asked: unknown;
    const server = createServer((connection) => {
      connection.on("error", () => {});
      connection.once("data", (data) => {
        asked = JSON.parse(String(data));
        connection.write(`${JSON.stringify(answer)}\n`);
      });
    });
    servers.push(server);
    const socket = join(api.folder, "lab.sock");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    return { socket, asked: () => asked };
  }

  test("a fault goes to the lab as one line of JSON", async () => {
    const lab = await labAnswering({ done: "Host h1 is off." });
    const { code, out } = await begin(["lab", "fault", "power-off", "h1"], { HOLDFAST_LAB: lab.socket }).ended;
    expect([code, lab.asked()]).toEqual([0, { fault: "power-off", host: "h1" }]);
    expect(out).toBe("Host h1 is off.\n");
  });

  test("a refused fault ends with 1 and the lab's own words", async () => {
    const lab = await labAnswering({
      cause: "No host h9.",
      effect: "Nothing was done.",
      remedy: "Hosts: h1.",
    });
    const { code, err } = await begin(["lab", "fault", "cut", "h9"], { HOLDFAST_LAB: lab.socket }).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^Cause: {3}No host h9\.\nEffect: {2}Nothing was done\.\nRemedy: {2}Hosts: h1\.\n/u);
  });

  test("without a lab: exit 3", async () => {
    const env = { HOLDFAST_LAB: join(api.folder, "no-lab.sock") };
    expect(await begin(["lab", "status"], env).ended).toMatchObject({
      code: 3,
      err: expect.stringContaining("npm run lab"),
    });
  });
});

describe("the command as a process", () => {
  test("works through a symlink from anywhere, and exits as it should", async () => {
    const link = join(api.folder, "hf");
    symlinkSync(join(root, "holdfast"), link);
    const env = { HOLDFAST_SOCKET: api.socket };
    const listed = await spawned(link, ["host", "list", "--json"], env);
    expect([listed.code, listed.err]).toEqual([0, ""]);
    expect(outputOf(contract.host.list).safeParse(JSON.parse(listed.out)).success).toBe(true);
    expect(await spawned(link, ["vm", "show", "nix"], env)).toMatchObject({ code: 1, out: "" });
    expect(await spawned(link, ["nix"], env)).toMatchObject({ code: 2, out: "" });
    expect(await spawned(link, ["vm", "list"], { HOLDFAST_SOCKET: `${link}.sock` })).toMatchObject({
      code: 3,
      out: "",
    });
  });

  test("says what to do where set-up was not run", async () => {
    const bare = mkdtempSync(join(tmpdir(), "holdfast-bare-"));
    writeFileSync(join(bare, "holdfast"), readFileSync(join(root, "holdfast")), { mode: 0o755 });
    const { code, err } = await spawned(join(bare, "holdfast"), ["vm", "list"], {});
    rmSync(bare, { recursive: true, force: true });
    expect(code).toBe(3);
    expect(err).toMatch(/^Cause: .+not set up here.+\nEffect: .+\nRemedy: .+npm ci/u);
  });
});
