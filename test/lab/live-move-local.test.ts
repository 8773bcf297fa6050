import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import { type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { lifeOf, oneLife, openWritingGuest, type WritingGuest } from "../support/writing-guest.ts";

const mebibyte = 1024 * 1024;
const diskMiB = 64;
/** What its guest never comes to: enough to be in the midst of copying it. */
const ballastMiB = 24;

describe("A VM whose disk lies in a local pool moves while it runs", () => {
  let guest: WritingGuest;
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    guest = await openWritingGuest({ client: "local", pool: labLocalPool, prepare: (_, vm) => writeBallast(vm) });
    ({ lab, web } = guest);
  });
  afterAll(() => guest?.close());
  afterEach(() => {
    expect(lab.watcher.doubleRuns).toEqual([]);
    expect(lab.history.fences()).toEqual([]);
  });

  function writeBallast(vm: TestVm): void {
    const file = openSync(vm.image(vm.owner().host), "r+");
    const data = Buffer.alloc(mebibyte, "ballast");
    for (let i = diskMiB - ballastMiB; i < diskMiB; i++) writeSync(file, data, 0, data.length, i * mebibyte);
    fsyncSync(file);
    closeSync(file);
  }

  const names = () => lab.world.hosts.map((host) => host.name);
  const others = () => names().filter((name) => name !== web.owner().host);
  /** Hosts that have an image of its disk, whatever is recorded of it. */
  const withImage = () => names().filter((name) => existsSync(web.image(name)));
  const records = () => [...lab.history.view.replicas.values()].map(({ value }) => value);

  /** Images, layers of points, and what says what they are. */
  function filesOf(host: string): readonly string[] {
    const volume = basename(web.image(host)).replace(/\..*$/u, "");
    return readdirSync(dirname(web.image(host))).filter((name) => name.startsWith(`${volume}.`));
  }

  async function protect(name: string, to: string): Promise<void> {
    const { host } = web.owner();
    expect((await lab.holdfast("group", "create", name, "--from", host, "--to", to, "--vm", "web")).code).toBe(0);
    const status = async () => (await lab.client().group.show({ group: name })).group.status;
    await waitFor(`group ${name} to be Normal`, async () => (await status()) === "Normal" || undefined);
  }

  const expectOneLife = async (boots: number) => expect(await lifeOf(guest)).toEqual(oneLife(boots));

  it("[S15] with its disk, to another host and on to a third: no write is lost, and one image is left", async () => {
    const { boots } = await web.answers();
    expect(withImage()).toEqual([web.owner().host]);
    for (const to of others()) {
      const { epoch } = web.owner();
      expect((await lab.holdfast("vm", "migrate", "web", to)).code).toBe(0);
      await waitFor(`web to be owned by ${to}`, () => web.owner().host === to || undefined);
      expect(web.owner().epoch).toBe(epoch + 1);
      await expectOneLife(boots);
      await waitFor("the old disk to be removed", () => (records().length === 0 ? true : undefined));
      expect(withImage()).toEqual([to]);
    }
    const told = lab.history.events().map(({ event }) => event.type);
    expect(told.filter((type) => type === "vm-moved")).toHaveLength(2);
    expect(told.filter((type) => type === "old-disks-removed")).toHaveLength(2);
  });

  it("[S15] its target's QEMU is killed while the disk is copied: it goes on, and nothing of the copy is left", async () => {
    expect((await lab.holdfast("policy", "set", "--migration-bandwidth", "4")).code).toBe(0);
    const before = { owner: web.owner(), pids: web.pids(), boots: (await web.answers()).boots };
    const [to = ""] = others();
    const order = lab.holdfast("vm", "migrate", "web", to);
    await waitFor("the disk to be copied", () => copiedPercent() > 0 || undefined);
    await guest.writer.goesOn();
    const pid = await waitFor("the QEMU that receives", () => lab.host(to).vmPids(web.id)[0]);
    process.kill(pid, "SIGKILL");
    await order;
    const failed = () => lab.history.events().find(({ event }) => event.type === "vm-move-failed");
    expect((await waitFor("the move to be given up", failed)).event.reason?.code).toBe("move-broke-off");
    await expectOneLife(before.boots);
    expect({ owner: web.owner(), pids: web.pids() }).toEqual({ owner: before.owner, pids: before.pids });
    await waitFor("the copy to be removed", () => (records().length === 0 ? true : undefined));
    expect(withImage()).toEqual([before.owner.host]);
  });

  it("[S15, HM3] its host goes into maintenance, and it comes back: without a boot, and with its writes", async () => {
    expect((await lab.holdfast("policy", "set", "--migration-bandwidth", "0")).code).toBe(0);
    const { boots } = await web.answers();
    const home = web.owner().host;
    expect((await lab.holdfast("host", "maintenance", home)).code).toBe(0);
    await waitFor(`web to have left ${home}`, () => web.owner().host !== home || undefined);
    await expectOneLife(boots);
    expect((await lab.holdfast("host", "release", home)).code).toBe(0);
    await waitFor(`web to be back on ${home}`, () => web.owner().host === home || undefined);
    await expectOneLife(boots);
    await waitFor("the old disk to be removed", () => (records().length === 0 ? true : undefined));
    expect(withImage()).toEqual([home]);
  });

  it("[HM2, FC1] a target where somebody's file lies in the way is the last one of a maintenance ordered next, as its plan says", async () => {
    const { boots } = await web.answers();
    const home = web.owner().host;
    const planned = async () => {
      const end = await lab.holdfast("whatif", "maintenance", home, "--json");
      const { vms } = JSON.parse(end.out) as { vms: { name: string; to: string | null; becomes: string }[] };
      return vms.find(({ name }) => name === "web");
    };
    const before = await planned();
    const inTheWay = before?.to ?? "";
    expect(others()).toContain(inTheWay);
    writeFileSync(web.image(inTheWay), "somebody's");
    expect((await lab.holdfast("vm", "migrate", "web", inTheWay)).code).toBe(1);
    const [other] = others().filter((name) => name !== inTheWay);
    expect(await planned()).toMatchObject({ to: other, becomes: "moves" });
    expect((await lab.holdfast("host", "maintenance", home)).code).toBe(0);
    await waitFor(`web to have left ${home}`, () => web.owner().host !== home || undefined);
    expect(web.owner().host).toBe(other);
    expect(readFileSync(web.image(inTheWay), "utf8")).toBe("somebody's");
    rmSync(web.image(inTheWay));
    expect((await lab.holdfast("host", "release", home)).code).toBe(0);
    await waitFor(`web to be back on ${home}`, () => web.owner().host === home || undefined);
    await expectOneLife(boots);
    await waitFor("the old disk to be removed", () => (records().length === 0 ? true : undefined));
  });

  it("[S15, S20] what a deleted group has kept is not touched by a move, and makes room where a group removes it", async () => {
    const { boots } = await web.answers();
    const [to = ""] = others();
    await protect("office", to);
    expect((await lab.holdfast("point", "take", "--vm", "web")).code).toBe(0);
    expect((await lab.holdfast("group", "delete", "office", "--replicas", "keep", "--accept")).code).toBe(0);
    await waitFor("nobody to know of the copy", () => (records().length === 0 ? true : undefined));
    const kept = filesOf(to);
    expect(kept.length).toBeGreaterThan(1);
    const refused = await lab.holdfast("vm", "migrate", "web", to);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("move-image-exists")]);
    const left = () => lab.history.events().find(({ event }) => event.type === "disk-left-alone");
    await waitFor("it to be told that something else lies there", left);
    await waitFor("the move's own records to be gone", () => (records().length === 0 ? true : undefined));
    expect(filesOf(to)).toEqual(kept);
    await protect("again", to);
    expect((await lab.holdfast("group", "delete", "again", "--replicas", "remove", "--accept")).code).toBe(0);
    await waitFor("the copy to be gone", () => (filesOf(to).length === 0 ? true : undefined));
    expect((await lab.holdfast("vm", "migrate", "web", to)).code).toBe(0);
    await waitFor(`web to be owned by ${to}`, () => web.owner().host === to || undefined);
    await expectOneLife(boots);
    await waitFor("the old disk to be removed", () => (records().length === 0 ? true : undefined));
  });

  it("is not relocated, nor moved where its disk finds no room: refused at once, with cause and remedy", async () => {
    const [to = ""] = others();
    const refused = await lab.holdfast("vm", "relocate", "web", to);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toMatch(/^Cause: .+local pool.+\nEffect: .+\nRemedy: .+\nCode: +move-disks-elsewhere\n$/u);
  });

  function copiedPercent(): number {
    return lab.history.view.statuses.get(web.id)?.value.copying?.percent ?? 0;
  }
});
