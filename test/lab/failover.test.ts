import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

/** Longer than D, as the issue of a switch that reboots. */
const outageMs = 8_000;

describe("A VM survives what happens to its host", () => {
  let lab: TestLab;
  let web: TestVm;
  let db: TestVm;
  let writer: Writer;

  beforeAll(async () => {
    lab = await openTestLab();
    web = await lab.guest("web", 50);
    db = await lab.guest("db", 51);
    writer = writeNumbers(lab.world.reach, web.address, "failover");
    await writer.goesOn();
  });
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  });
  afterEach(() => {
    expect(lab.watcher.doubleRuns).toEqual([]);
  });

  /** Every number that the guest acknowledged so far is on its disk, once, and epochs never mix. */
  function expectNothingLost(): void {
    expect(writer.lost(web.disk)).toEqual([]);
    const epochs = web.disk().records.map((record) => record.epoch);
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
  }

  it("[S14] whose QEMU is killed: the same host runs it as the next epoch, without any fencing", async () => {
    const before = web.owner();
    await lab.fault("kill", { host: before.host, process: `qemu:${web.name}` });
    await waitFor("the next epoch", () => web.running()?.epoch === before.epoch + 1 || undefined);
    expect(
      await waitFor("its page", async () =>
        (await web.status())?.epoch === before.epoch + 1 ? web.owner() : undefined,
      ),
    ).toMatchObject({
      host: before.host,
      incarnation: before.incarnation,
      epoch: before.epoch + 1,
    });
    await writer.goesOn();
    expectNothingLost();
    expect(lab.history.fences()).toEqual([]);
  });

  it("[S2, S8] whole network out for longer than D: all VMs freeze, and go on as they were; nobody is fenced or killed", async () => {
    const seen = async (vm: TestVm) => ({ owner: vm.owner(), pids: vm.pids(), boots: (await vm.answers()).boots });
    const before = [await seen(web), await seen(db)];
    const thaws = [web, db].map((vm) => vm.running()?.thaws ?? 0);
    const cutAt = performance.now();
    await lab.fault("outage");
    for (const vm of [web, db])
      await waitFor(`${vm.name} to stand still`, () => vm.running() === undefined || undefined);
    // The length of the outage is the stimulus, not a wait for something.
    await new Promise((resolve) => setTimeout(resolve, outageMs - (performance.now() - cutAt)));
    for (const vm of [web, db]) expect(vm.running()).toBeUndefined();
    await lab.fault("heal");
    await writer.goesOn();
    expect([await seen(web), await seen(db)]).toEqual(before);
    expect([web, db].map((vm) => vm.running()?.thaws)).toEqual(thaws.map((count) => count + 1));
    expectNothingLost();
    await lab.settle();
    expect(lab.history.fences()).toEqual([]);
  });

  it("[S9, S10] whose host loses its power: fence record, then the device's word, then the new owner, which runs it", async () => {
    const before = web.owner();
    await lab.fault("power-off", { host: before.host });
    const after = await waitFor("another host", () => (web.owner().epoch > before.epoch ? web.owner() : undefined));
    expect(after).toMatchObject({ epoch: before.epoch + 1, kind: "held" });
    expect(after.host).not.toBe(before.host);
    await waitFor("its page", async () => ((await web.status())?.epoch === after.epoch ? true : undefined));
    await writer.goesOn();
    expectNothingLost();

    const fences = lab.history.fences(before.host);
    const [begun, ...later] = fences;
    const proven = later.find((entry) => entry.fence.proofs.includes("power-off"));
    const taken = lab.history.owners(web.id).find((entry) => entry.owner.epoch === after.epoch);
    expect(begun?.fence).toMatchObject({ cause: "silence", device: "begun" });
    expect(begun?.fence.proofs).not.toContain("power-off");
    expect(proven?.fence).toMatchObject({ device: "confirmed" });
    const order = [begun?.revision ?? 0, proven?.revision ?? 0, taken?.revision ?? 0];
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(new Set(order).size).toBe(3);
    const told = ["host-fenced", "fence-proof", "vm-recovered"].map((type) => lab.history.events(type).length);
    expect(told).toEqual([1, 1, expect.any(Number)]);
  });

  it("[S1, S6] and the old host comes back as its next incarnation, where nothing of the old one runs", async () => {
    const lost = lab.history.fences()[0]?.name;
    if (lost?.kind !== "fence") throw new Error("no host was fenced");
    const ran = lab.watcher.copies.filter((copy) => copy.host === lost.host && copy.incarnation === lost.incarnation);
    expect(ran.length).toBeGreaterThan(0);
    await lab.settle();
    expect(lab.history.view.hosts.get(lost.host)?.value.incarnation).toBe(lost.incarnation + 1);
    const again = ran.filter((copy) => copy.goneAt === null);
    expect(again).toEqual([]);
    for (const vm of [web, db]) {
      expect((await vm.answers()).epoch).toBe(vm.owner().epoch);
      expect(lab.watcher.alive(vm.id).map((copy) => copy.host)).toEqual([vm.owner().host]);
    }
    await writer.goesOn();
    expectNothingLost();
    expect((await db.answers()).boots).toBe(db.disk().boots);
  });
});
