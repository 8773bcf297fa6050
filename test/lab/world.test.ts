import { existsSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requestFault, serveControl } from "../../lab/control.ts";
import { applyFault } from "../../lab/faults.ts";
import type { LabHost } from "../../lab/host.ts";
import { LabError } from "../../lab/lab-error.ts";
import { readRecords } from "../../lab/record.ts";
import { openWorld, type World } from "../../lab/world.ts";
import type { PowerOffEnd } from "../../src/ports/fencing.ts";
import { leftOf } from "./leftovers.ts";

/** Stands for a daemon: writes into its run folder, serves a page, does nothing else. */
const openDummyWorld = (hosts: number): Promise<World> =>
  openWorld({
    hosts,
    log: () => undefined,
    programs: (host) => [
      { name: "heart", argv: ["sh", "-c", `date >> ${host.dirs.run}/beat; exec sleep 1000`] },
      { name: "web", argv: ["busybox", "httpd", "-f", "-p", `${host.addresses.management}:80`, "-h", host.dirs.etc] },
    ],
  });

const long = { timeout: 20_000 };
const hears = async (from: LabHost, address: string): Promise<boolean> =>
  (await from.exec(["busybox", "ping", "-c", "1", "-W", "1", address])).code === 0;
const sameProcess = (pid: number | undefined): boolean => pid !== undefined && existsSync(`/proc/${pid}`);

describe("A world of three hosts", () => {
  let world: World;
  let h1: LabHost;
  let h2: LabHost;

  beforeAll(async () => {
    world = await openDummyWorld(3);
    [h1, h2] = [world.host("h1"), world.host("h2")];
  });
  afterAll(() => world?.close());

  it("connects the hosts on both links, and to the power controllers", async () => {
    for (const { management, availability } of [world.host("h3").plan.addresses]) {
      await expect.poll(() => hears(h1, management), long).toBe(true);
      await expect.poll(() => hears(h1, availability), long).toBe(true);
    }
    await expect.poll(() => hears(h1, "10.91.0.254"), long).toBe(true);
  });

  it("gives each host its own process tree and name", async () => {
    const seen = await h1.exec(["sh", "-c", "hostname; ls -d /proc/[0-9]*"]);
    expect(seen.stdout.split("\n")[0]).toBe("h1");
    expect(seen.stdout).toContain("/proc/1\n");
    expect(seen.stdout).not.toContain(`/proc/${process.pid}\n`);
  });

  it("reaches a page inside from outside, directly and through a port on 127.0.0.1", async () => {
    writeFileSync(join(h1.plan.dirs.etc, "hello"), "hello from h1");
    const page = { address: h1.plan.addresses.management, port: 80 };
    await expect
      .poll(() => world.reach.http(page, { path: "/hello" }), long)
      .toEqual({ kind: "answered", status: 200, body: "hello from h1" });
    const forward = await world.reach.forward(() => page, 0);
    const answer = await fetch(`http://127.0.0.1:${forward.port}/hello`);
    expect(await answer.text()).toBe("hello from h1");
    forward.close();
  });

  it("reaches an address behind a host's switch, and follows it to another host", async () => {
    const page = { address: "10.93.0.50", port: 80 };
    const look = () => world.reach.http(page, { path: "/init.sh", timeoutMs: 500 });
    // As a VM would be: one address and one card's number, now behind this switch, now behind that.
    const move = async (host: LabHost): Promise<void> => {
      const script = `ip link add vm0 address 02:48:46:00:00:50 type veth peer name tap0 && ip link set tap0 master br-vm up &&
        ip addr add 10.93.0.50/24 dev vm0 && ip link set vm0 up && busybox httpd -p 10.93.0.50:80 -h ${host.plan.dirs.etc} &&
        busybox arping -A -c 1 -I vm0 10.93.0.50`;
      expect(await host.exec(["sh", "-c", script])).toMatchObject({ code: 0 });
    };
    await move(h1);
    await expect.poll(look, long).toMatchObject({ kind: "answered", status: 200 });
    await applyFault(world, { fault: "cut", host: "h1", link: "vm" });
    expect(await look()).toEqual({ kind: "failed", cause: "timeout" });
    await move(h2);
    await expect.poll(look, long).toMatchObject({ kind: "answered", status: 200 });
    await applyFault(world, { fault: "heal" });
    await h1.exec(["ip", "link", "del", "vm0"]);
  });

  it("says who should choose another port where one is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(world.reach.forward(() => undefined, port)).rejects.toThrow(/in use/u);
    taken.close();
  });

  it.each(["cut", "cut-in", "cut-out"])("%s stops pings of that host until healed, and of no other", async (fault) => {
    await applyFault(world, { fault, host: "h1" });
    expect(await hears(h1, h2.plan.addresses.management)).toBe(false);
    expect(await hears(h1, "10.91.0.254")).toBe(false);
    expect(await hears(h2, world.host("h3").plan.addresses.management)).toBe(true);
    await applyFault(world, { fault: "heal", host: "h1" });
    await expect.poll(() => hears(h1, h2.plan.addresses.management), long).toBe(true);
  });

  it("cut-in and cut-out lose one direction each", async () => {
    const { management } = h2.plan.addresses;
    for (const [fault, heard] of [
      ["cut-in", true],
      ["cut-out", false],
    ] as const) {
      await applyFault(world, { fault, host: "h1", link: "management" });
      const before = await received(h2, "mgmt");
      // The neighbour's address is known from before: the request needs no answer to be sent.
      await h1.exec(["busybox", "ping", "-c", "3", "-W", "1", "-i", "0.2", management]);
      const grew = (await received(h2, "mgmt")) - before >= 3;
      expect([fault, grew]).toEqual([fault, heard]);
      await applyFault(world, { fault: "heal" });
    }
  });

  it("cuts a single link and the whole network", async () => {
    const { management, availability } = h2.plan.addresses;
    await applyFault(world, { fault: "cut", host: "h1", link: "availability" });
    expect(await hears(h1, availability)).toBe(false);
    expect(await hears(h1, management)).toBe(true);
    await applyFault(world, { fault: "outage" });
    expect(await hears(h1, management)).toBe(false);
    expect(await hears(h2, world.host("h3").plan.addresses.management)).toBe(false);
    await applyFault(world, { fault: "heal" });
    await expect.poll(() => hears(h1, availability), long).toBe(true);
    await expect.poll(() => hears(h1, management), long).toBe(true);
  });

  it("slows a link and heals it", async () => {
    await applyFault(world, { fault: "slow-link", host: "h1", link: "availability", rate: "2mbit" });
    const shaped = await h1.exec(["tc", "qdisc", "show", "dev", "avail"]);
    expect(shaped.stdout).toContain("rate 2Mbit");
    await applyFault(world, { fault: "heal", host: "h1" });
    expect((await h1.exec(["tc", "qdisc", "show", "dev", "avail"])).stdout).not.toContain("tbf");
  });

  it("starts a killed program again, and stops and continues one", async () => {
    const old = await h1Pid();
    await applyFault(world, { fault: "kill", host: "h1", process: "heart" });
    await expect.poll(() => h1.pidOf("heart") ?? old, long).not.toBe(old);
    const pid = await h1Pid();
    await applyFault(world, { fault: "freeze", host: "h1", process: "heart" });
    expect(stateOf(pid)).toBe("T"); // in force when the fault returns
    await applyFault(world, { fault: "thaw", host: "h1", process: "heart" });
    await expect.poll(() => stateOf(pid), long).toBe("S");
  });

  it("fills a host's disk without filling the machine's, and frees it", async () => {
    const { state } = h1.plan.dirs;
    await applyFault(world, { fault: "fill-disk", host: "h1" });
    expect(statfsSync(state).bavail).toBe(0);
    expect(() => writeFileSync(join(state, "more"), Buffer.alloc(1 << 20))).toThrow(/ENOSPC/u);
    expect(statfsSync(world.poolDir).bavail).toBeGreaterThan(0);
    await applyFault(world, { fault: "free-disk", host: "h1" });
    expect(statfsSync(state).bavail).toBeGreaterThan(0);
  });

  it("[S10] a power-off over IPMI ends everything in the host, a frozen process included; power-on boots it empty", async () => {
    const pids = h1.pids();
    expect(pids.length).toBeGreaterThan(3);
    await applyFault(world, { fault: "freeze", host: "h1", process: "heart" });
    await applyFault(world, { fault: "freeze-host", host: "h1" });
    writeFileSync(join(h1.plan.dirs.run, "of-the-old-life"), "");
    writeFileSync(join(h1.plan.dirs.state, "kept"), "");

    expect(await powerOffFrom(h2, h1)).toEqual({ kind: "off" });
    expect(h1.pids()).toEqual([]);
    await expect.poll(() => pids.filter(sameProcess), long).toEqual([]);
    expect(await hears(h2, h1.plan.addresses.management)).toBe(false);

    await applyFault(world, { fault: "power-on", host: "h1" });
    await expect.poll(() => h1.pidOf("heart"), long).toBeDefined();
    await expect.poll(() => hears(h2, h1.plan.addresses.management), long).toBe(true);
    expect(await hears(h2, "10.91.0.254"), "a boot must not make the power controllers unreachable").toBe(true);
    expect(readdirSync(h1.plan.dirs.run)).toEqual(["beat"]);
    expect(existsSync(join(h1.plan.dirs.state, "kept"))).toBe(true);
  });

  it("a cable that was cut stays cut over a reboot", async () => {
    await applyFault(world, { fault: "cut", host: "h1" });
    await applyFault(world, { fault: "power-off", host: "h1" });
    await applyFault(world, { fault: "power-on", host: "h1" });
    await expect.poll(() => h1.pidOf("heart"), long).toBeDefined();
    expect(await hears(h1, h2.plan.addresses.management)).toBe(false);
    await applyFault(world, { fault: "heal" });
    await expect.poll(() => hears(h1, h2.plan.addresses.management), long).toBe(true);
  });

  it.each([
    [{ fault: "explode", host: "h1" }, /no fault explode/u],
    [{ fault: "cut" }, /needs a host/u],
    [{ fault: "cut", host: "h9" }, /no host h9/u],
    [{ fault: "cut", host: "h1", link: "moon" }, /no link moon/u],
    [{ fault: "kill", host: "h1" }, /needs a process/u],
    [{ fault: "kill", host: "h1", process: "init" }, /no process init/u],
    [{ fault: "kill", host: "h1", process: "qemu:vm1" }, /vm1 does not run on h1/u],
    [{ fault: "outage", host: "h1" }, /takes no host/u],
    [{ fault: "slow-link", host: "h1", rate: "fast" }, /not a rate/u],
    [{ fault: "power-on", host: "h1" }, /is on already/u],
  ])("refuses %j with cause and remedy", async (request, cause) => {
    const error = await applyFault(world, request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LabError);
    expect(error).toMatchObject({ message: expect.stringMatching(cause), effect: "Nothing was done." });
  });

  it("takes faults from another process", async () => {
    const stop = await serveControl(world);
    expect(await requestFault({ fault: "heal" }, world.run)).toBe(`Lab ${world.run}: All cables are whole.`);
    await expect(requestFault({ fault: "cut", host: "h9" }, world.run)).rejects.toThrow(/no host h9/u);
    await expect(requestFault({ fault: "heal" }, "ffffff")).rejects.toThrow(/No lab ffffff/u);
    stop();
  });

  async function h1Pid(): Promise<number> {
    await expect.poll(() => h1.pidOf("heart"), long).toBeDefined();
    return h1.pidOf("heart") ?? 0;
  }
});

describe("Worlds side by side", () => {
  it("do not disturb each other, and leave nothing behind", async () => {
    const [one, two] = await Promise.all([openDummyWorld(1), openDummyWorld(2)]);
    expect(one.run).not.toBe(two.run);
    const pids = [...one.hosts, ...two.hosts].flatMap((host) => host.pids());
    await one.close();
    await expect.poll(() => hears(two.host("h1"), two.host("h2").plan.addresses.management), long).toBe(true);
    await two.close();
    for (const { run, dir } of [one, two]) expect(leftOf(run, dir)).toEqual([]);
    await expect.poll(() => pids.filter(sameProcess), long).toEqual([]);
  });

  it("refuse a folder that is not empty, and an impossible number of hosts, before anything is made", async () => {
    const own = () => readRecords().filter((record) => record.pid === process.pid);
    await expect(openWorld({ hosts: 1, dir: "/etc", programs: () => [], log: () => undefined })).rejects.toThrow(
      /not empty/u,
    );
    await expect(openDummyWorld(0)).rejects.toThrow(/0 hosts/u);
    expect(own()).toEqual([]);
  });

  it("a failing preparation removes what was made before it", async () => {
    const made: { run: string; dir: string }[] = [];
    const opening = openWorld({
      hosts: 1,
      programs: () => [],
      log: () => undefined,
      prepare: async (_, world) => {
        made.push(world);
        throw new LabError("no certificates", "", "");
      },
    });
    await expect(opening).rejects.toThrow("no certificates");
    expect(made).toHaveLength(1);
    for (const { run, dir } of made) expect(leftOf(run, dir)).toEqual([]);
  });
});

/** As a manager does it: the fence agent runs inside another host, over the management link. */
async function powerOffFrom(from: LabHost, target: LabHost): Promise<PowerOffEnd> {
  const { options } = target.plan.device;
  const adapter = join(import.meta.dirname, "../../src/adapters/fence/fence-agent.ts");
  const script = `import { fenceAgents } from ${JSON.stringify(adapter)};
    const device = ${JSON.stringify({ schema: 1, agent: "fence_ipmilan", options })};
    fenceAgents().powerOff(device, (end) => console.log(JSON.stringify(end)));`;
  const end = await from.exec([process.execPath, "--input-type=module-typescript", "-e", script]);
  return JSON.parse(end.stdout);
}

async function received(host: LabHost, device: string): Promise<number> {
  const shown = await host.exec(["ip", "-j", "-s", "link", "show", "dev", device]);
  return JSON.parse(shown.stdout)[0].stats64.rx.packets;
}

function stateOf(pid: number): string | undefined {
  return /^State:\s+(\w)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}
