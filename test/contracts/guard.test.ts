import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Incarnation } from "../../src/model/ids.ts";
import { guardProgram, RealGuards, waitFor } from "../support/real-guards.ts";
import { guardContract, TestHeart } from "./guard-suite.ts";

guardContract("guard, real", () => new RealGuards());

describe("guard, what only a real one meets", { timeout: 60_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  function opened(deadlineMs?: number): RealGuards {
    const world = new RealGuards(deadlineMs);
    undo.push(() => world.close());
    return world;
  }

  async function oneGuard(world: RealGuards, more: readonly string[] = []) {
    world.start("a", more);
    const heart = await TestHeart.ready(world, "a", 1);
    return { heart, vm: world.addVm(1 as Incarnation) };
  }

  test("[S5] on a busy machine the VMs are frozen before D+M, round after round", async () => {
    const world = opened(1_000);
    const busy = Array.from({ length: 8 }, () => spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
    undo.push(() => {
      for (const child of busy) child.kill("SIGKILL");
    });
    const { heart } = await oneGuard(world);
    for (let round = 1; round <= 5; round++) {
      await heart.beat();
      await heart.hears("frozen", round + 1);
    }
    const lateness = heart.all("frozen").slice(1);
    console.log(`8 busy loops: frozen and verified after ${lateness.map((one) => one.latenessMs).join(", ")} ms`);
    for (const one of lateness) {
      expect(one.verified).toBe(true);
      expect(one.latenessMs).toBeLessThan(world.marginMs);
    }
  });

  test("[S2] lines that are none of the protocol are answered with their cause and change nothing", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    const raw = (text: string): void => (heart.guard as ReturnType<RealGuards["connect"]>).raw(text);
    const bad = ["", "stamp", "stamp -1", "stamp 0", "stamp 1x", "stamp  9", "stamp 1234567890123456", "committed 1 2"];
    for (const text of [...bad, "incarnation 0", "incarnation 1.5", "thaw", "FREEZE", "x".repeat(3_000)]) raw(text);
    await waitFor("every bad line is answered", () => world.errors("a").length === bad.length + 5);
    raw("stamp 1"); // used already
    raw("committed 999"); // never made
    await waitFor("both are answered", () => world.errors("a").length === bad.length + 7);
    console.log(world.errors("a").slice(-3).join(" | "));
    expect(heart.all("frozen")).toHaveLength(1);
    expect(await world.runs(vm)).toBe(true);
    await heart.beat();
  });

  test("[S4] a deadline file of another boot, or torn, or too far away, counts as none", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    const file = join(world.runDir, "guard-a.deadline");
    await heart.beat();
    const good = readFileSync(file, "utf8");
    const [version, incarnation, boot = "", raw = "", bootId = ""] = good.trim().split(" ");
    const far = (ns: string): string => `${BigInt(ns) + 3_600_000_000_000n}`;
    const planted = [
      `${version} ${incarnation} ${boot} ${raw} 00000000-0000-0000-0000-000000000000\n`,
      good.slice(0, 20),
      `${version} ${incarnation} ${far(boot)} ${far(raw)} ${bootId}\n`,
      "not a deadline\n",
    ];
    for (const text of planted) {
      await world.kill("a");
      writeFileSync(file, text);
      world.start("a");
      const next = await TestHeart.connected(world, "a");
      expect((await next.hears("hello")).frozen).toBe(true);
      expect(await world.standsStill(vm)).toBe(true);
      await next.incarnation(1);
      await next.beat();
    }
  });

  test("[S2] a level that somebody else thaws is frozen again", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    writeFileSync(join(world.level("a"), "cgroup.freeze"), "0");
    await heart.hears("frozen", 2);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S4] the watchdog is fed in working order, and disarmed only by an orderly end with frozen VMs", async () => {
    const world = opened();
    const device = join(world.runDir, "watchdog");
    writeFileSync(device, "");
    const { heart } = await oneGuard(world, ["--watchdog", device]);
    expect((await heart.hears("hello")).watchdog).toBe(true);
    const fed = (): number => readFileSync(device).length;
    await heart.beat();
    const running = fed();
    await waitFor("fed while the deadline is valid", () => fed() > running);
    await heart.hears("frozen", 2);
    const frozen = fed();
    await waitFor("fed while the VMs are verified frozen", () => fed() > frozen);
    await world.kill("a");
    expect(readFileSync(device).includes("V")).toBe(false);
    world.start("a", ["--watchdog", device]);
    await TestHeart.connected(world, "a");
    await world.terminate("a");
    expect(readFileSync(device).includes("V")).toBe(true);
  });

  test("[S4] a watchdog that cannot be had is said, and the guard works on", async () => {
    const world = opened();
    const { heart } = await oneGuard(world, ["--watchdog", join(world.runDir, "none")]);
    expect((await heart.hears("hello")).watchdog).toBe(false);
    expect(world.complaints.join("")).toContain("only stop");
  });

  test("[S5] VMs that run on 300 ms after the freeze are killed, unverified and without feeding the watchdog", async () => {
    // Files that look like a cgroup whose freezer does nothing: no real kernel refuses on demand.
    const folder = mkdtempSync(join(tmpdir(), "holdfast-guard-"));
    const level = join(folder, "a");
    mkdirSync(join(level, "b"), { recursive: true });
    const runner = spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
    const put = (name: string, text: string): void => writeFileSync(join(level, name), text);
    put("cgroup.freeze", "0\n");
    put("cgroup.events", "populated 1\nfrozen 0\n");
    put("cgroup.kill", "");
    put("cgroup.threads", `${runner.pid}\n`);
    put("watchdog", "");
    const options = { name: "a", level, runs: join(level, "b"), "run-dir": folder, watchdog: join(level, "watchdog") };
    const guard = startGuard({ ...options, "deadline-ms": "1000", "margin-ms": "600" });
    undo.push(async () => {
      guard.kill("SIGKILL");
      runner.kill("SIGKILL");
      await waitFor("the guard is gone", () => guard.exitCode !== null || guard.signalCode !== null);
      rmSync(folder, { recursive: true });
    });
    await waitFor("killed as the last resort", () => readFileSync(join(level, "cgroup.kill"), "utf8") === "1");
    expect(readFileSync(join(level, "watchdog"))).toHaveLength(0);
    put("cgroup.events", "populated 0\nfrozen 0\n");
    await waitFor("fed again once they are dead", () => readFileSync(join(level, "watchdog")).length > 0);
  });

  test("[S5] a thread in uninterruptible I/O is told as in flight, and completes the freeze when it returns", async () => {
    const world = opened();
    const stuck = stuckFilesystem(world.runDir);
    undo.push(() => stuck.thaw());
    const { heart } = await oneGuard(world);
    const folder = join(world.runsFolder, "1", "io.1");
    mkdirSync(folder);
    await heart.beat();
    const writer = spawn("sh", ["-c", `echo $$ > '${folder}/cgroup.procs'; echo x > '${stuck.path}/file'`]);
    await waitFor("the writer hangs in the file system", () => threadState(writer) === "D");
    expect(await heart.hears("frozen", 2)).toMatchObject({ verified: true, inFlight: 1 });
    stuck.thaw();
    expect(await heart.hears("frozen", 3)).toMatchObject({ verified: true, inFlight: 0 });
  });

  test("[S4] a second guard of the same name ends with a clear cause", async () => {
    const world = opened();
    await oneGuard(world);
    const first = world.process("a");
    world.start("a");
    const second = world.process("a");
    await waitFor("the second one ends", () => second.exitCode !== null);
    expect(second.exitCode).toBe(1);
    expect(world.complaints.join("")).toContain("Another guard of this name");
    first.kill("SIGKILL");
    await waitFor("the first one is gone", () => first.signalCode !== null);
  });

  test("options that are missing or wrong, and a level that is no cgroup, are told with a remedy", async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-guard-"));
    undo.push(() => rmSync(folder, { recursive: true }));
    const end = (options: Readonly<Record<string, string>>) =>
      spawnSync(guardProgram(), listed(options), { encoding: "utf8", timeout: 10_000 });
    const good = {
      name: "a",
      level: folder,
      runs: folder,
      "run-dir": folder,
      "deadline-ms": "1000",
      "margin-ms": "600",
    };
    expect(end({ ...good, name: "c" })).toMatchObject({ status: 2 });
    expect(end({ ...good, "deadline-ms": "5s" })).toMatchObject({ status: 2 });
    const noCgroup = end(good);
    expect(noCgroup.status).toBe(1);
    expect(noCgroup.stderr).toContain("must be a cgroup v2 folder");
  });

  test("the guard stays below 4 MB of private memory", async () => {
    const world = opened();
    const { heart } = await oneGuard(world);
    await heart.beat();
    const rollup = readFileSync(`/proc/${world.process("a").pid}/smaps_rollup`, "utf8");
    const privateKiB = Number(/Private_Dirty: +(\d+)/u.exec(rollup)?.[1]);
    console.log(`guard: ${privateKiB} KiB private`);
    expect(privateKiB).toBeLessThan(4_096);
  });
});

function listed(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
}

function startGuard(options: Readonly<Record<string, string>>): ChildProcess {
  return spawn(guardProgram(), listed(options), { stdio: "ignore" });
}

function threadState(child: ChildProcess): string {
  const path = `/proc/${child.pid}/stat`;
  return existsSync(path) ? (readFileSync(path, "utf8").split(") ").at(-1)?.[0] ?? "") : "";
}

/** A file system on a loop device that holds every write back until thawed. */
function stuckFilesystem(folder: string): { readonly path: string; thaw(): void } {
  const image = join(folder, "disk.img");
  const path = join(folder, "disk");
  mkdirSync(path);
  const run = (program: string, ...options: string[]): void => {
    const end = spawnSync(program, options, { encoding: "utf8" });
    if (end.status !== 0) throw new Error(`This test needs loop devices and ext4: ${program} failed: ${end.stderr}`);
  };
  run("truncate", "-s", "16M", image);
  run("mkfs.ext4", "-q", image);
  run("mount", "-o", "loop", image, path);
  run("fsfreeze", "-f", path);
  let frozen = true;
  return {
    path,
    thaw: () => {
      if (!frozen) return;
      frozen = false;
      run("fsfreeze", "-u", path);
      run("umount", "--lazy", path);
    },
  };
}
