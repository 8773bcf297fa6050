import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import type { GroupOutput, ProtectedVm } from "../../src/api/contract/group.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { writeNumbers } from "../support/lab-writer.ts";

const everyS = 5;
const lossS = 120;
const group = "office";

describe("two hosts with disks of their own, and copies in cycles", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;

  const shown = async (): Promise<GroupOutput> => (await lab.client().group.show({ group })).group;
  const vmOf = ({ vms: [vm] }: GroupOutput): ProtectedVm => {
    if (vm === undefined) throw new Error(`Group ${group} has no VM`);
    return vm;
  };
  /** The copy holds a later moment than this. */
  const sealedAfter = (moment: number): Promise<number> =>
    waitFor("a cycle to be sealed", async () => {
      const at = await shown().then(vmOf, () => undefined);
      return at?.copyAt != null && at.copyAt > moment ? at.copyAt : undefined;
    });

  beforeAll(async () => {
    lab = await openTestLab(false, "pair");
    web = await lab.guest("web", 50, null, labLocalPool);
    const mode = { mode: "asynchronous", everyS, lossS } as const;
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"], ...mode });
    await sealedAfter(0);
  }, 180_000);
  afterAll(() => lab?.close(), 60_000);

  test("[S25] planned failover: it is stopped, what it wrote last is sent, and it starts there with every write; and back the same way", async () => {
    const writer = writeNumbers(lab.world.reach, web.address, "planned");
    await writer.goesOn();
    for (const to of ["h2", "h1"]) {
      const from = web.owner();
      const order = await lab.holdfast("group", "failover", group, "--planned", "--json");
      expect(order).toMatchObject({ code: 0 });
      expect(web.owner()).toMatchObject({ host: to, epoch: from.epoch + 1 });
      await writer.goesOn();
      expect(writer.lost(() => web.disk())).toEqual([]);
      await sealedAfter(Date.now());
    }
    await writer.stop();
    const { events } = await lab.client().event.list({ vm: "web" });
    expect(events.filter(({ type }) => type === "replica-promoted-behind")).toEqual([]);
  });

  test("[S25] power-off of its host: it goes on from the last cycle, and lacks no more than is stated", async () => {
    const writer = writeNumbers(lab.world.reach, web.address, "client");
    await writer.goesOn();
    const first = await sealedAfter(Date.now());
    const second = await sealedAfter(first);
    expect((await shown()).status).toBe("Normal");
    await writer.goesOn();
    const before = web.owner();
    await lab.fault("power-off", { host: "h1" });
    const offAt = Date.now();
    await waitFor("web to be on h2", () => (web.owner().host === "h2" ? true : undefined));
    await writer.goesOn();
    await writer.stop();
    expect(web.owner().epoch).toBe(before.epoch + 1);
    const told = await waitFor("the loss to be stated", async () => {
      const { events } = await lab.client("h2").event.list({ vm: "web" });
      return events.find(({ type }) => type === "replica-promoted-behind");
    });
    const stated = Number(told.params["seconds"]);
    const lost = writer.lost(() => web.disk());
    const lostSince = writer.lostSince(() => web.disk()) ?? offAt;
    const lossMs = Math.max(0, offAt - lostSince);
    console.info(`stated ${stated} s; ${lost.length} writes lost, of the last ${lossMs} ms before the power-off`);
    expect(stated).toBeLessThanOrEqual(lossS);
    expect(lossMs).toBeLessThanOrEqual(stated * 1_000);
    // All that was acknowledged before a cycle that was seen as sealed is there.
    expect(lostSince).toBeGreaterThanOrEqual(second);
  });

  test("[S18, S25] its host is back: what only that has is a branch, and all is copied there in cycles, by itself; then back", async () => {
    await lab.fault("power-on", { host: "h1" });
    const [branch] = await waitFor("what h1 had to be a branch", async () => {
      const { points } = await lab.client("h2").point.list({ vm: "web" });
      const kept = points.filter(({ host, origin }) => host.name === "h1" && origin === "branch-kept");
      return kept.length > 0 ? kept : undefined;
    });
    const resumedAt = Date.now();
    await sealedAfter(resumedAt);
    await waitFor("the group to be normal", async () => ((await shown()).status === "Normal" ? true : undefined));
    const writer = writeNumbers(lab.world.reach, web.address, "back");
    await writer.goesOn();
    const order = await lab.holdfast("group", "failover", group, "--planned", "--json");
    expect(order).toMatchObject({ code: 0 });
    expect(web.owner().host).toBe("h1");
    await writer.goesOn();
    await writer.stop();
    expect(writer.lost(() => web.disk())).toEqual([]);
    const { points } = await lab.client("h2").point.list({ vm: "web" });
    expect(points.map(({ id }) => id)).toContain(branch?.id);
  });
});
