import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labLocalPool, labPool, localPoolDir } from "../../lab/cluster.ts";
import { forecastSchema } from "../../src/api/contract/whatif.ts";
import type { HostId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { putRecord } from "../support/lab-records.ts";

// Orders to move that would be in vain, and questions about what would: by the real command, on a cluster where it is really so.

const mebibyte = 1024 * 1024;

describe("A move that would be in vain is refused at once, and changes nothing", () => {
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    lab = await openTestLab(true);
    web = await lab.guest("web", 50, null);
  });
  afterAll(async () => {
    await lab?.close();
    expect(lab.watcher.doubleRuns).toEqual([]);
  });

  const done = async (...line: readonly string[]): Promise<string> => {
    const { code, out, err } = await lab.holdfast(...line);
    expect({ line, code, err }).toMatchObject({ line, code: 0 });
    return out;
  };
  const state = () => {
    const { owners, orders, moves, tasks, maintenances } = lab.history.view;
    const records = [owners, orders, moves, tasks, maintenances].map((kind) => [...kind].map(([, { value }]) => value));
    return JSON.stringify(records);
  };

  async function refused(code: string, ...line: readonly string[]): Promise<string> {
    const before = state();
    const { code: exit, out, err } = await lab.holdfast(...line);
    expect({ line, exit, out }).toEqual({ line, exit: 1, out: "" });
    expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(err).toContain(`Code:    ${code}\n`);
    expect(err).not.toMatch(/\{|undefined/u);
    expect({ line, state: state() }).toEqual({ line, state: before });
    return err;
  }

  /** Of one VM, what would become of it, why, and what would help. */
  async function foreseen(vm: string, ...line: readonly string[]) {
    const before = state();
    const { vms } = forecastSchema.parse(JSON.parse(await done("whatif", ...line, "--json")));
    expect({ line, state: state() }).toEqual({ line, state: before });
    const { becomes, why, fix } = vms.find(({ name }) => name === vm) ?? { becomes: null, why: null, fix: null };
    return [becomes, why?.code, fix?.code];
  }

  async function removed(vm: string): Promise<void> {
    await done("vm", "stop", vm, "--grace", "0");
    await done("vm", "delete", vm);
  }

  const names = () => lab.world.hosts.map(({ name }) => name);
  const others = () => names().filter((name) => name !== web.owner().host);
  const factsOf = (host: string) => lab.history.view.facts.get(host as HostId)?.value;

  it("an unknown VM, host or link; the host where it is already", async () => {
    const { host } = web.owner();
    expect(await refused("vm-unknown", "vm", "migrate", "nix", host)).toContain("Known VMs: web");
    for (const line of [
      ["vm", "migrate", "web", "h9"],
      ["whatif", "host-loss", "h9"],
      ["whatif", "maintenance", "h9"],
      ["whatif", "link-loss", "h9:management"],
    ])
      expect(await refused("host-unknown", ...line)).toContain("Known hosts: h1, h2, h3");
    await refused("whatif-link-unknown", "whatif", "link-loss", "nix");
    await refused("whatif-link-unknown", "whatif", "link-loss", `${host}:nix`);
    await refused("move-already-there", "vm", "migrate", "web", host);
  });

  it("[PL8] a host whose processor is of another make", async () => {
    const [to = ""] = others();
    const facts = factsOf(to);
    if (facts?.guestCpu === undefined) throw new Error("The host has not said what its QEMU shows");
    const other = { ...facts, guestCpu: { ...facts.guestCpu, vendor: "AnotherMake" } };
    // Its own agent would say at once how it really is.
    await lab.fault("freeze", { host: to, process: "agent" });
    await putRecord(lab.cluster, keys.hostFacts(to as HostId), other);
    expect(await refused("move-cpu-vendor-differs", "vm", "migrate", "web", to)).toContain("AnotherMake");
    await lab.fault("thaw", { host: to, process: "agent" });
    await waitFor("it to be itself again", () => factsOf(to)?.guestCpu?.vendor !== "AnotherMake" || undefined);
  });

  it("a local pool without room for its disks, on each host where it could go", async () => {
    const [home = "", ...rest] = names();
    const freeMiB = (host: string) => factsOf(host)?.pools.find(({ pool }) => pool === labLocalPool)?.freeMiB ?? 0;
    const sizeMiB = Math.min(...names().map(freeMiB)) - 100;
    const disks = [{ pool: labLocalPool, sizeMiB, format: "raw" as const }];
    await lab.client(home).vm.create({ name: "local", cpus: 1, memoryMiB: 80, disks, networks: [] });
    await done("vm", "start", "local");
    const taken = rest.map((host) => join(localPoolDir(lab.world.host(host).plan), "somebody-elses"));
    for (const file of taken) writeFileSync(file, Buffer.alloc(200 * mebibyte, 1));
    await waitFor("the pools to be told as full", () => rest.every((host) => freeMiB(host) < sizeMiB) || undefined);
    for (const to of rest)
      expect(await refused("move-pool-short", "vm", "migrate", "local", to)).toMatch(/needs \d+ MiB, \d+ are free/u);
    await refused("move-disks-elsewhere", "vm", "relocate", "local", rest[0] ?? "");
    expect(await foreseen("local", "maintenance", home)).toEqual(["stays", "pool-short", "fix-more-room"]);
    for (const file of taken) rmSync(file);
    await removed("local");
  });

  it("a host that is full, as the others are; and what would make room", async () => {
    const { host: home } = web.owner();
    const rest = others();
    for (const host of rest) {
      const memoryMiB = (factsOf(host)?.memoryForVmsMiB ?? 0) - 40;
      const disks = [{ pool: labPool, sizeMiB: 8, format: "raw" as const }];
      await lab.client().vm.create({ name: `big-${host}`, cpus: 1, memoryMiB, disks, networks: [] });
      expect((await lab.holdfast("vm", "migrate", `big-${host}`, host)).code).toBe(0);
      await done("vm", "start", `big-${host}`);
    }
    for (const host of rest)
      expect(await refused("move-host-full", "vm", "migrate", "web", host)).toContain("has 40 MiB free for VMs");
    expect(await foreseen("web", "maintenance", home)).toEqual(["stays", "host-memory-short", "fix-more-memory"]);
    for (const host of rest) await removed(`big-${host}`);
  });

  it("hosts in maintenance: which of them would have to be taken back", async () => {
    const { host: home } = web.owner();
    for (const host of others()) await done("host", "maintenance", host);
    const [first = ""] = others();
    expect(await refused("move-host-in-maintenance", "vm", "migrate", "web", first)).toContain(
      `holdfast host release ${first}`,
    );
    expect(await foreseen("web", "maintenance", home)).toEqual(["stays", "no-host-left", "fix-release-host"]);
    for (const host of others()) await done("host", "release", host);
  });

  it("[S9] a host that is fenced, silent before that, and in quarantine once it is back", async () => {
    await done("policy", "set", "--quarantine-losses", "1");
    const { host: lost } = web.owner();
    await lab.fault("power-off", { host: lost });
    await waitFor("web to run elsewhere", () => (web.running()?.host !== lost && web.running()) || undefined);
    await refused("move-host-fenced", "vm", "migrate", "web", lost);
    expect(await refused("whatif-host-not-up", "whatif", "host-loss", lost)).toContain("is fenced");
    await lab.fault("power-on", { host: lost });
    await lab.settle();
    expect(await refused("move-host-in-quarantine", "vm", "migrate", "web", lost)).toContain(
      `holdfast host release ${lost}`,
    );
    await done("host", "release", lost);
  });

  it("a VM in error: what clears it is said", async () => {
    await done("vm", "set", "web", "--max-restart", "0", "--max-relocate", "0");
    const { host } = web.owner();
    await done("lab", "fault", "kill", host, "--process", "qemu:web");
    await waitFor("web to be given up", async () => (await done("vm", "show", "web")).includes("Way out") || undefined);
    for (const to of names())
      expect(await refused("vm-in-error", "vm", "migrate", "web", to)).toContain("--state disabled");
    expect(await foreseen("web", "maintenance", host)).toEqual(["waits", "vm-gave-up", "fix-clear-error"]);
    await done("vm", "set", "web", "--state", "disabled");
    await done("vm", "start", "web");
    await web.answers();
  });
});
