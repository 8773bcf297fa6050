import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { lifeOf, oneLife, openWritingGuest, type WritingGuest } from "../support/writing-guest.ts";

describe("A VM moves while it runs", () => {
  let guest: WritingGuest;
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    guest = await openWritingGuest({ client: "live" });
    ({ lab, web } = guest);
  });
  afterAll(() => guest?.close());
  afterEach(() => {
    expect(lab.watcher.doubleRuns).toEqual([]);
    expect(lab.history.fences()).toEqual([]);
  });

  const expectOneLife = async (boots: number) => expect(await lifeOf(guest)).toEqual(oneLife(boots));

  async function orderedTo(to: string): Promise<void> {
    const { host, epoch } = web.owner();
    expect((await lab.holdfast("vm", "migrate", "web", to)).code).toBe(0);
    await waitFor(`${web.name} to be owned by ${to}`, () => web.owner().host === to || undefined);
    expect(web.owner().epoch).toBe(epoch + 1);
    await waitFor(`${host} to have quit`, () => !lab.history.view.moves.has(web.id) || undefined);
    expect(lab.watcher.alive(web.id).map((copy) => copy.host)).toEqual([to]);
  }

  it("[S15] to another host and on to a third: no write is lost, it boots no second time, one copy executes", async () => {
    const { boots } = await web.answers();
    const others = lab.world.hosts.map((host) => host.name).filter((name) => name !== web.owner().host);
    for (const to of others) {
      await orderedTo(to);
      await expectOneLife(boots);
    }
    const moved = lab.history.events().filter(({ event }) => event.type === "vm-moved");
    expect(moved.map(({ event }) => event.params["host"])).toEqual(others);
  });

  it("[S15, HM3] away from a host in maintenance and back again, without a boot", async () => {
    const { boots } = await web.answers();
    const home = web.owner().host;
    expect((await lab.holdfast("host", "maintenance", home)).code).toBe(0);
    await waitFor(`${web.name} to have left ${home}`, () => web.owner().host !== home || undefined);
    await expectOneLife(boots);
    expect((await lab.holdfast("host", "release", home)).code).toBe(0);
    await waitFor(`${web.name} to be back on ${home}`, () => web.owner().host === home || undefined);
    await waitFor("its source to have quit", () => !lab.history.view.moves.has(web.id) || undefined);
    await expectOneLife(boots);
  });

  it("[S15] whose target's QEMU is killed while it waits or receives: it goes on where it was, untouched", async () => {
    const before = { owner: web.owner(), pids: web.pids(), boots: (await web.answers()).boots };
    const to = lab.world.hosts.map((host) => host.name).find((name) => name !== before.owner.host) ?? "";
    const order = lab.holdfast("vm", "migrate", "web", to);
    const pid = await waitFor("the QEMU that waits", () => lab.host(to).vmPids(web.id)[0]);
    process.kill(pid, "SIGKILL");
    await order;
    const failed = () => lab.history.events().find(({ event }) => event.type === "vm-move-failed");
    await waitFor("the move to be given up", failed);
    await expectOneLife(before.boots);
    expect({ owner: web.owner(), pids: web.pids() }).toEqual({ owner: before.owner, pids: before.pids });
  });

  it("over no link of the policy's that connects: refused at once with what was tried; on the way, a second order is refused", async () => {
    const { host: from } = web.owner();
    const [to = "", other = ""] = lab.world.hosts.map(({ name }) => name).filter((name) => name !== from);
    expect((await lab.holdfast("policy", "set", "--migration-links", "availability")).code).toBe(0);
    await lab.fault("cut", { host: to, link: "availability" });
    const inVain = await lab.holdfast("vm", "migrate", "web", to);
    expect(inVain.code).toBe(1);
    expect(inVain.err).toMatch(
      /Cause: +No link .+ connects now: 10\.92\.\S+ to 10\.92\..+\n.+\nRemedy: +Check the cables.+\nCode: +move-links-cut/u,
    );
    // Nothing was begun that would have to be given up.
    expect((await lab.client(from).task.list({})).tasks).toEqual([]);
    expect(web.owner().host).toBe(from);
    await lab.fault("heal");
    expect((await lab.holdfast("policy", "set", "--migration-bandwidth", "5")).code).toBe(0);
    const slow = lab.holdfast("vm", "migrate", "web", to);
    const line =
      /^web +move-vm +\S+ +\d+ % +\d+ % copied, \d+ MiB\/s over 10\.92\.\S+ \d+ MiB left \(about \d+\.\d s\).* ordered by /mu;
    await waitFor("the copying to show", async () => line.test((await lab.holdfast("task", "list")).out) || undefined);
    const { host: runsOn } = await lab.client(from).host.show({ host: from });
    // Without KVM it is stopped first, and that is said.
    const state = runsOn.accel === "tcg" ? "paused by its move" : "running";
    expect((await lab.holdfast("vm", "list")).out).toMatch(new RegExp(`^web .* ${state} +${from} `, "mu"));
    expect((await lab.holdfast("vm", "reset", "web")).err).toContain("vm-between-hosts");
    expect((await lab.holdfast("vm", "migrate", "web", other)).err).toContain("move-under-way");
    expect((await lab.holdfast("vm", "cancel-move", "web")).code).toBe(0);
    expect((await slow).err).toContain("move-cancelled");
    expect(web.owner().host).toBe(from);
    await lab.holdfast("policy", "set", "--migration-bandwidth", "0", "--migration-links", "default");
  });
});
