import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { measureUsage } from "../../src/adapters/linux/sensors-usage.ts";
import { must } from "../../src/base/assert.ts";
import type { Epoch, Incarnation, VmId } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { Use } from "../../src/ports/sensors.ts";
import { makeCgroup, removeCgroup } from "../support/cgroup.ts";

const heldMiB = 200;
/** Holds memory that it has touched, then says so; works from then on as long as it is told to. */
const guestScript = `
  const held = Buffer.alloc(${heldMiB} * 1024 * 1024, 1);
  const work = () => { for (const end = Date.now() + 50; Date.now() < end; ); setImmediate(work); };
  process.on("SIGUSR2", work);
  setInterval(() => held.length, 1000);
  console.log("held");`;

describe("what a host and its runs use, as the kernel counts it", () => {
  let folder: string;
  const children: ChildProcess[] = [];
  const busy = runOf("busy");
  const idle = runOf("idle");
  const cgroupOf = (run: VmRun): string => join(folder, run.vm);

  beforeEach(() => {
    folder = makeCgroup(`hf-sensors-${process.pid}`);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await removeCgroup(folder);
  });

  /** Inside its cgroup before it does anything, as a VM. */
  async function begin(run: VmRun): Promise<ChildProcess> {
    mkdirSync(cgroupOf(run));
    const enter = `echo $$ > '${cgroupOf(run)}/cgroup.procs' && exec '${process.execPath}' -e "$GUEST"`;
    const env = { ...process.env, GUEST: guestScript };
    const child = spawn("sh", ["-c", enter], { stdio: ["ignore", "pipe", "inherit"], env });
    children.push(child);
    await new Promise((resolve) => must(child.stdout, "Cannot hear the guest").once("data", resolve));
    return child;
  }

  async function measure(...runs: readonly VmRun[]): Promise<{ host: Use; of: (run: VmRun) => Use; atMs: number }> {
    const { host, atMs, runs: found } = await measureUsage(runs, cgroupOf);
    expect(found.map(({ run }) => run)).toEqual(runs);
    const of = (run: VmRun) => known(found.find((one) => one.run === run)?.use);
    return { host: known(host), of, atMs };
  }

  test("CPU time of each cgroup and of the host, and memory without page cache", async () => {
    const [worker] = await Promise.all([begin(busy), begin(idle)]);
    const before = await measure(busy, idle);
    worker.kill("SIGUSR2");
    // As long as it takes until the kernel says so: the machine may be busy with other things.
    let after = await measure(busy, idle);
    while (after.of(busy).cpuUs - before.of(busy).cpuUs < 300_000) after = await measure(busy, idle);
    const worked = after.of(busy).cpuUs - before.of(busy).cpuUs;
    expect(after.of(idle).cpuUs - before.of(idle).cpuUs).toBeLessThan(worked / 2);
    expect(after.atMs - before.atMs, "one thread, so no more than the time that passed").toBeGreaterThan(
      worked / 2_000,
    );
    // The host counts in hundredths of a second.
    expect(after.host.cpuUs - before.host.cpuUs).toBeGreaterThanOrEqual(worked - 50_000);
    for (const run of [busy, idle]) {
      expect(after.of(run).memoryMiB).toBeGreaterThan(heldMiB);
      expect(after.of(run).memoryMiB).toBeLessThan(heldMiB * 2);
    }
    expect(after.host.memoryMiB).toBeGreaterThan(2 * heldMiB);
  });

  test("a run that is gone, or of which nothing is left, is unknown and not nothing", async () => {
    const child = await begin(idle);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    const { host, runs } = await measureUsage([idle, busy], cgroupOf);
    expect(known(host).cpuUs).toBeGreaterThan(0);
    expect(runs[1]).toEqual({ run: busy, use: "unknown" });
    rmdirSync(cgroupOf(idle));
    expect((await measureUsage([idle], cgroupOf)).runs).toEqual([{ run: idle, use: "unknown" }]);
  });
});

function runOf(name: string): VmRun {
  return { vm: name as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
}

function known(use: Use | "unknown" | undefined): Use {
  if (use === undefined || use === "unknown") throw new Error("is not known");
  return use;
}
