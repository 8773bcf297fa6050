import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { labKernel } from "../../lab/cluster.ts";
import { guestAppend } from "../../lab/guest/append.ts";
import { clusterStatusSchema } from "../../src/api/contract/cluster.ts";
import { eventSchema } from "../../src/api/contract/event.ts";
import { contract } from "../../src/api/contract/index.ts";
import { taskSchema } from "../../src/api/contract/task.ts";
import { outputOf } from "../support/cli-run.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";

const root = join(import.meta.dirname, "../..");

describe("The command against a living cluster", () => {
  let lab: TestLab;
  let web: TestVm;
  let folder: string;
  let follower: { readonly lines: () => readonly string[]; readonly stop: () => Promise<number | null> };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "hf-cli-"));
    lab = await openTestLab(true);
    follower = follow();
    web = await lab.guest("web", 50);
  });
  afterAll(async () => {
    await follower?.stop();
    await lab?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** `log --follow --json` from the first event on, beside everything else. */
  function follow(): typeof follower {
    const env = { PATH: process.env["PATH"] ?? "", HOLDFAST_LAB: lab.world.run };
    const child = spawn(join(root, "holdfast"), ["log", "--follow", "--json"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    return {
      lines: () => text.split("\n").slice(0, -1),
      stop: () => {
        child.kill("SIGTERM");
        return ended;
      },
    };
  }

  async function done(...line: readonly string[]): Promise<string> {
    const { code, out, err } = await lab.holdfast(...line);
    expect({ line, code, err }).toMatchObject({ line, code: 0 });
    return out;
  }

  /** Ended with this code, said nothing on stdout, and cause, effect and remedy on stderr. */
  async function refused(exit: number, code: string, ...line: readonly string[]): Promise<string> {
    const end = await lab.holdfast(...line);
    expect({ line, code: end.code, out: end.out, err: end.err }).toMatchObject({ line, code: exit, out: "" });
    expect(end.err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(end.err).toContain(`Code:    ${code}\n`);
    expect(end.err).not.toMatch(/\{|undefined|\[object/u);
    return end.err;
  }

  it("status, lists, history and explanation: for people and as the contract's JSON", async () => {
    const lines: readonly (readonly [readonly string[], z.ZodType])[] = [
      [["cluster", "status"], clusterStatusSchema],
      [["host", "list"], outputOf(contract.host.list)],
      [["host", "show", "h1"], outputOf(contract.host.show)],
      [["vm", "list"], outputOf(contract.vm.list)],
      [["vm", "show", "web"], outputOf(contract.vm.show)],
      [["pool", "list"], outputOf(contract.pool.list)],
      [["policy", "show"], outputOf(contract.policy.show)],
      [["log"], outputOf(contract.event.list)],
      [["explain", "web"], outputOf(contract.vm.explain)],
    ];
    const check = async ([line, schema]: (typeof lines)[number]): Promise<void> => {
      const printed: unknown = JSON.parse(await done(...line, "--json"));
      expect(schema.parse(printed), line.join(" ")).toEqual(printed);
      expect(await done(...line), line.join(" ")).not.toMatch(/(?<!\.epoch=)\{|undefined|\[object/u);
    };
    for (const one of lines) await check(one);
    expect(await done("explain", "web")).toMatch(
      /web is wanted started; it is running on h[123]\.[\s\S]+starts on h[123] as epoch 1/u,
    );
  });

  it("create, start with progress, reset, set, stop, delete", async () => {
    const file = join(folder, "db.yaml");
    const kernel = { ...labKernel, append: guestAppend({ name: "db", address: "10.93.0.51/24", tickMs: null }) };
    const spec = { name: "db", cpus: 1, memoryMiB: 80, cpuModel: "max", networks: ["lan"], kernel };
    writeFileSync(file, JSON.stringify({ ...spec, disks: [{ pool: "pool1", sizeMiB: 16, format: "raw" }] }));
    expect(await done("vm", "create", "--file", file)).toContain("db was created as vm:");
    const started = await lab.holdfast("vm", "start", "db");
    expect(started.code).toBe(0);
    expect(started.out).toMatch(/^db runs on h[123] \(epoch \d+\)\.\n$/u);
    const status = () =>
      lab.world.reach.http({ address: "10.93.0.51", port: 80 }, { path: "/status", timeoutMs: 1_000 });
    const boots = async () => {
      const end = await status();
      return end.kind === "answered" ? (JSON.parse(end.body) as { boots: number }).boots : undefined;
    };
    expect(await waitFor("its page", boots)).toBe(1);
    expect(await done("vm", "reset", "db")).toBe("db was reset.\n");
    await waitFor("its second boot", async () => (await boots()) === 2 || undefined);
    expect(await done("vm", "set", "db", "--max-restart", "5")).toContain("max-restart 5");
    await refused(1, "vm-already-running", "vm", "start", "db");
    await refused(1, "vm-not-stopped", "vm", "delete", "db");
    const stopped: unknown = JSON.parse(await done("vm", "stop", "db", "--json"));
    expect(taskSchema.parse(stopped)).toMatchObject({ kind: "stop-vm", end: { kind: "done" } });
    await refused(1, "vm-already-stopped", "vm", "stop", "db");
    expect(await done("vm", "delete", "db")).toContain("was deleted");
    await refused(1, "vm-unknown", "vm", "show", "db");
    const told = () => follower.lines().map((line) => eventSchema.parse(JSON.parse(line)).type);
    await waitFor("the deletion in the log that is followed", () => told().includes("vm-deleted") || undefined);
    expect(told()).toEqual(expect.arrayContaining(["vm-created", "vm-placed", "vm-running", "vm-stopped"]));
  });

  it("bad input is refused by name, with cause, effect and remedy, and nothing is left of it", async () => {
    const before = await done("vm", "list");
    const create = (name: string, ...more: readonly string[]) => [
      "vm",
      "create",
      "--name",
      name,
      "--memory",
      "80",
      ...more,
    ];
    const disk = (size: string, pool = "pool1") => ["--pool", pool, "--disk", size];
    await refused(1, "vm-unknown", "vm", "start", "nix");
    await refused(1, "vm-unknown", "explain", "nix");
    await refused(1, "host-unknown", "host", "show", "h9");
    await refused(1, "vm-name-taken", ...create("web", ...disk("8")));
    await refused(1, "pool-unknown", ...create("a", ...disk("8", "nix")));
    await refused(1, "network-unknown", ...create("a", ...disk("8"), "--network", "nix"));
    expect(await refused(1, "pool-no-room", ...create("a", ...disk("999999")))).toMatch(/999999 MiB.+pool1/u);
    await refused(1, "vm-memory-too-large", "vm", "create", "--name", "a", "--memory", "9999999", ...disk("8"));
    await refused(1, "vm-cpus-too-many", ...create("a", ...disk("8"), "--cpus", "512"));
    await refused(1, "vm-nothing-to-boot", ...create("a"));
    await refused(1, "vm-name-malformed", ...create("A B", ...disk("8")));
    const { host } = web.owner();
    const policy = await done("policy", "show");
    await refused(1, "host-unknown", "vm", "migrate", "web", "h9");
    await refused(1, "move-already-there", "vm", "migrate", "web", host);
    await refused(1, "policy-rebalance-needs-figures", "policy", "set", "--auto-rebalance", "on");
    await refused(1, "policy-losses-impossible", "policy", "set", "--wanted-host-losses", "3");
    await refused(1, "host-not-held-back", "host", "release", host);
    await refused(1, "cluster-armed-already", "cluster", "arm");
    expect(await done("policy", "show")).toBe(policy);
    const { code, out, err } = await lab.holdfast("vm", "show", "nix", "--json");
    expect({ code, out, said: JSON.parse(err) }).toMatchObject({ code: 1, out: "", said: { code: "vm-unknown" } });
    const file = join(folder, "broken.yaml");
    writeFileSync(file, "name: a\nmemoryMiB: [80\n");
    expect(await refused(2, "spec-file-broken", "vm", "create", "--file", file)).toContain(`${file}, line`);
    await refused(2, "spec-file-unreadable", "vm", "create", "--file", `${file}.nix`);
    expect(await done("vm", "list")).toBe(before);
  });

  it("a move to a host that is being repaired is refused; a disarmed cluster starts and moves nothing", async () => {
    const others = ["h1", "h2", "h3"].filter((name) => name !== web.owner().host);
    const [aside = "", free = ""] = others;
    expect(await done("host", "maintenance", aside, "--reason", "new memory")).toContain(`${aside} is in maintenance`);
    await refused(1, "move-host-in-maintenance", "vm", "migrate", "web", aside);
    await refused(1, "maintenance-already", "host", "maintenance", aside);
    expect(await done("host", "list")).toMatch(new RegExp(`^${aside} .*up, maintenance`, "mu"));
    expect(await done("host", "release", aside)).toBe(`${aside} takes VMs again.\n`);
    expect(await done("cluster", "disarm", "--mode", "freeze")).toContain("disarmed (freeze)");
    await refused(1, "cluster-disarmed", "vm", "migrate", "web", free);
    expect(await done("cluster", "status")).toMatch(/Armed +no: freeze/u);
    expect(await done("cluster", "arm")).toBe("The cluster is armed.\n");
    await web.answers();
  });

  it("a move by order: stopped here, started there, followed to its end", async () => {
    const from = web.owner();
    const to = ["h1", "h2", "h3"].find((name) => name !== from.host) ?? "";
    const moved = await lab.holdfast("vm", "relocate", "web", to);
    expect({ code: moved.code, out: moved.out }).toEqual({
      code: 0,
      out: `web runs on ${to} (epoch ${from.epoch + 1}).\n`,
    });
    expect(web.owner()).toMatchObject({ host: to, epoch: from.epoch + 1 });
    await web.answers();
    expect(await done("explain", "web")).toMatch(/ordered/u);
  });

  it("the lab's faults by the words that its help prints; wrong ones change nothing", async () => {
    const { host } = web.owner();
    expect(await done("lab", "fault", "cut", host, "--link", "availability")).toContain("are cut");
    expect(await done("lab", "status")).toMatch(new RegExp(`^${host} +the availability cable is cut$`, "mu"));
    expect(await done("lab", "fault", "heal")).toBe(`Lab ${lab.world.run}: All cables are whole.\n`);
    expect(JSON.parse(await done("lab", "status", "--json"))).toMatchObject({ h1: [], h2: [], h3: [], pool: [] });
    await refused(1, "lab-refused", "lab", "fault", "explode", host);
    await refused(1, "lab-refused", "lab", "fault", "power-off", "h9");
    await refused(1, "lab-refused", "lab", "fault", "kill", host, "--process", "nix");
    await refused(1, "lab-refused", "lab", "fault", "power-off");
    const epoch = web.owner().epoch;
    expect(await done("lab", "fault", "kill", host, "--process", "qemu:web")).toContain("SIGKILL");
    await waitFor("the next epoch", async () => ((await web.status())?.epoch ?? 0) > epoch || undefined);
    expect(await done("explain", "web")).toContain("killed");
  });

  it("with its daemon's host out of reach the command asks another one, and says so where all are cut off", async () => {
    await lab.fault("freeze-host", { host: "h1" });
    expect(await done("vm", "list")).toMatch(/^web .*running/mu);
    await lab.fault("thaw-host", { host: "h1" });
    await lab.fault("outage");
    await waitFor(
      "stale answers",
      async () => (await done("vm", "list")).startsWith("This host last heard") || undefined,
    );
    await refused(3, "store-not-reachable", "vm", "set", "web", "--max-restart", "9");
    await lab.fault("heal");
    await lab.settle();
    await web.answers();
  });
});
