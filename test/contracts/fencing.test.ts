import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startBmc } from "../../lab/power.ts";
import { fenceAgents } from "../../src/adapters/fence/fence-agent.ts";
import type { FenceDevice } from "../../src/model/records.ts";
import type { Fencing, PowerOffEnd, PowerStatusEnd } from "../../src/ports/fencing.ts";
import { goodMood, type SimDevice, simFencing } from "../../src/sim/fencing.ts";
import { instantClock } from "./instant-clock.ts";

/** A host behind a device, in one of the ways a device can be. */
type Bench = { readonly fencing: Fencing; readonly device: FenceDevice; hostRuns(): boolean; switchOff(): void };
type Mood = "good" | "ignores" | "unreachable";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

const makers: Readonly<Record<string, (mood: Mood) => Promise<Bench>>> = {
  "the simulated device": simBench,
  "fence_ipmilan and a virtual BMC": ipmiBench,
};

describe.each(Object.entries(makers))("Fencing: %s", (_, make) => {
  it("[S9] a power-off is off once a separate status says so, and the host runs no more", async () => {
    const bench = await make("good");
    expect(await status(bench)).toEqual({ kind: "on" });
    expect(await powerOff(bench)).toEqual({ kind: "off" });
    expect(bench.hostRuns()).toBe(false);
    expect(await status(bench)).toEqual({ kind: "off" });
  });

  it("[S9] a host that is off already is off", async () => {
    const bench = await make("good");
    bench.switchOff();
    expect(await powerOff(bench)).toEqual({ kind: "off" });
  });

  it("[S9] a device that accepts the command and does nothing does not prove anything", async () => {
    const bench = await make("ignores");
    expect(await powerOff(bench)).toMatchObject({ kind: "unknown" });
    expect(bench.hostRuns()).toBe(true);
  });

  it("[S9] an unreachable device leaves the outcome unknown", async () => {
    const bench = await make("unreachable");
    expect(await status(bench)).toMatchObject({ kind: "unknown" });
    expect(await powerOff(bench)).toMatchObject({ kind: "unknown" });
  });
});

describe("Simulated device", () => {
  it("[S9] a device too slow to be asked proves nothing, though it may cut the power later", async () => {
    const bench = await simBench("good", { delayMs: 20_000 });
    expect(await powerOff(bench)).toMatchObject({ kind: "unknown" });
    expect(bench.hostRuns()).toBe(false);
  });

  it("refuses a device that it does not know", async () => {
    const bench = await simBench("good");
    const stranger = { ...bench, device: { ...bench.device, options: { device: "h9" } } };
    expect(await powerOff(stranger)).toMatchObject({ kind: "refused" });
  });
});

describe("Fence agents", () => {
  const record = (agent: string, options: Record<string, string> = {}): Bench => ({
    fencing: fenceAgents(),
    device: { schema: 1, agent, options },
    hostRuns: () => true,
    switchOff: () => undefined,
  });

  it.each([
    ["a program that is no fence agent", record("reboot")],
    ["a path", record("fence_/../../bin/sh")],
    ["an agent that is not installed", record("fence_no_such_device")],
    ["an option that would change the action", record("fence_ipmilan", { action: "on" })],
    ["a value that would add a line", record("fence_ipmilan", { ip: "127.0.0.1\naction=on" })],
  ])("refuses %s", async (_, bench) => {
    expect(await powerOff(bench)).toMatchObject({ kind: "refused" });
    expect(await status(bench)).toMatchObject({ kind: "unknown" });
  });

  it("[S9] ends an agent that hangs, with its helpers, and calls the outcome unknown", async () => {
    const dir = newDir();
    const left = join(dir, "helper.pid");
    writeFileSync(join(dir, "fence_hangs"), `#!/bin/sh\nsleep 1000 &\necho $! >> ${left}\nwait\n`);
    chmodSync(join(dir, "fence_hangs"), 0o755);
    const bench = { ...record("fence_hangs"), fencing: fenceAgents({ path: `${dir}:/usr/bin:/bin`, limitMs: 1_000 }) };
    expect(await powerOff(bench)).toMatchObject({ kind: "unknown" });
    const helpers = readFileSync(left, "utf8").trim().split("\n").map(Number);
    expect(helpers).toHaveLength(2);
    await expect.poll(() => helpers.filter(runs)).toEqual([]);
  });

  it("[S9] a call ends within its limit also where the daemon that made it is gone", async () => {
    const dir = newDir();
    const left = join(dir, "helper.pid");
    writeFileSync(join(dir, "fence_hangs"), `#!/bin/sh\nsleep 1000 &\necho $! >> ${left}\nwait\n`);
    chmodSync(join(dir, "fence_hangs"), 0o755);
    const url = new URL("../../src/adapters/fence/fence-agent.ts", import.meta.url).href;
    const call = `import { fenceAgents } from ${JSON.stringify(url)};
      const device = ${JSON.stringify(record("fence_hangs").device)};
      fenceAgents({ path: ${JSON.stringify(`${dir}:/usr/bin:/bin`)}, limitMs: 6_000 }).powerOff(device, () => undefined);`;
    const daemon = spawn(process.execPath, ["--input-type=module-typescript", "-e", call], { stdio: "ignore" });
    await expect
      .poll(() => existsSync(left) && readFileSync(left, "utf8").endsWith("\n"), { timeout: 20_000 })
      .toBe(true);
    daemon.kill("SIGKILL");
    await ended(daemon);
    const helper = Number(readFileSync(left, "utf8"));
    expect(runs(helper)).toBe(true);
    await expect.poll(() => runs(helper), { timeout: 20_000 }).toBe(false);
  });

  it("shows the agent's last words without the password", async () => {
    const bench = await ipmiBench("good");
    const device = { ...bench.device, options: { ...bench.device.options, password: "wrong-secret" } };
    const end = await powerOff({ ...bench, device });
    expect(end).toMatchObject({ kind: "unknown" });
    expect(JSON.stringify(end)).not.toContain("wrong-secret");
    expect(bench.hostRuns()).toBe(true);
  });
});

const powerOff = ({ fencing, device }: Bench): Promise<PowerOffEnd> =>
  new Promise((resolve) => fencing.powerOff(device, resolve));
const status = ({ fencing, device }: Bench): Promise<PowerStatusEnd> =>
  new Promise((resolve) => fencing.status(device, resolve));

async function simBench(mood: Mood, more: Partial<SimDevice["mood"]> = {}): Promise<Bench> {
  let on = true;
  const power = {
    isOn: () => on,
    cut: () => {
      on = false;
    },
  };
  const mixed = { ...goodMood, ignores: mood === "ignores", unreachable: mood === "unreachable", ...more };
  const fencing = simFencing(instantClock(), new Map([["h1", { power, mood: mixed }]]));
  return {
    fencing,
    device: { schema: 1, agent: "sim", options: { device: "h1" } },
    hostRuns: () => on,
    switchOff: power.cut,
  };
}

/** A process plays the host; the BMC's script kills it and says `power:0` only once it is gone. */
async function ipmiBench(mood: Mood): Promise<Bench> {
  const dir = newDir();
  const host = spawn("sleep", ["1000"], { stdio: "ignore" });
  cleanups.push(() => void host.kill("SIGKILL"));
  const script = join(dir, "power.sh");
  const off = mood === "ignores" ? ":" : `kill -9 ${host.pid}`;
  const body = `#!/bin/sh
runs() { grep -q '^State:.[^Z]' /proc/${host.pid}/status 2>/dev/null; }
case "$*" in
  "get power") if runs; then echo power:1; else echo power:0; fi ;;
  "set power 0") ${off} ;;
esac
`;
  writeFileSync(script, body);
  chmodSync(script, 0o755);
  const port = await freeUdpPort();
  const bmc = await startBmc({ name: "h1", address: "127.0.0.1", port, password: "secret", script, dir });
  cleanups.push(() => void bmc.process.kill("SIGKILL"));
  if (mood === "unreachable") await ended(bmc.process);
  // The agent itself would wait 20 s for a device that ignores it.
  const device = { ...bmc.device, options: { ...bmc.device.options, power_timeout: "2" } };
  return {
    // A device that nobody answers for is told from a slow one by nothing but time: a shorter limit than the port's.
    fencing: fenceAgents(mood === "unreachable" ? { limitMs: 3_000 } : {}),
    device,
    hostRuns: () => runs(host.pid ?? 0),
    switchOff: () => void host.kill("SIGKILL"),
  };
}

/** A zombie is not running. */
function runs(pid: number): boolean {
  const path = `/proc/${pid}/status`;
  return existsSync(path) && !/^State:\s+Z/mu.test(readFileSync(path, "utf8"));
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "hf-fencing-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
