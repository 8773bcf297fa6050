import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import type { GroupOutput, ProtectedVm } from "../../src/api/contract/group.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { writeNumbers } from "../support/lab-writer.ts";

const boundMs = 2_000;
/** From the bound to the guest's answer: the store's commit and the relay's order (docs/designs/0006). */
const boundSlackMs = 300;
const group = "office";

describe("two hosts with disks of their own, and a witness", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;

  const shown = async (): Promise<GroupOutput> => (await lab.client().group.show({ group })).group;
  const vmOf = ({ vms: [vm] }: GroupOutput): ProtectedVm => {
    if (vm === undefined) throw new Error(`Group ${group} has no VM`);
    return vm;
  };
  const becomes = (status: GroupOutput["status"]) =>
    waitFor(`group ${group} to be ${status}`, async () => {
      const found = await shown().catch(() => undefined);
      return found?.status === status ? found : undefined;
    });

  beforeAll(async () => {
    lab = await openTestLab(false, "pair");
    web = await lab.guest("web", 50, null, labLocalPool);
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"], boundMs });
    await becomes("Normal");
  }, 180_000);
  afterAll(() => lab?.close(), 60_000);

  test("[S16] cut off from its copy, the guest waits for the bound and goes on alone; then the copy is brought up to date", async () => {
    const writes = timedWrites(web);
    await writes.goesOn();
    await lab.fault("cut", { host: "h2" });
    await waitFor("its copy to be left behind", async () => vmOf(await shown()).copy === "stale" || undefined);
    await writes.goesOn();
    const left = await becomes("Warning");
    expect(vmOf(left)).toMatchObject({ copy: "stale", on: { name: "h1" }, copyOn: { name: "h2" } });
    expect(vmOf(left).aloneMs).toBeGreaterThan(0);
    expect(writes.longestMs()).toBeLessThanOrEqual(boundMs + boundSlackMs + 2_000);
    await lab.fault("heal");
    await becomes("Normal");
    await writes.stop();
    const link = await waitFor("the link to be known", async () => {
      const { link } = vmOf(await shown());
      return link.latencyMs === null ? undefined : link;
    });
    expect(link.latencyMs).toBeGreaterThan(0);
  });

  test("[S15, S17] switched over there and back: the guest goes on with every write, and nearly nothing is copied", async () => {
    const writer = writeNumbers(lab.world.reach, web.address, "switched");
    await writer.goesOn();
    const { boots } = web.disk();
    for (const to of ["h2", "h1"]) {
      const began = performance.now();
      await lab.client().group.switchover({ group, to });
      await waitFor(`web to be on ${to}`, () => (web.owner().host === to ? true : undefined));
      await writer.goesOn();
      const there = await becomes("Normal");
      console.log(`${to}: ${Math.round(performance.now() - began)} ms`);
      expect(vmOf(there)).toMatchObject({ copy: "in-sync", on: { name: to } });
      expect(writer.lost(() => web.disk())).toEqual([]);
      const sent = await lab.client().vm.explain({ vm: "web" });
      console.log(JSON.stringify(sent).slice(0, 1500));
    }
    await writer.goesOn();
    await writer.stop();
    expect(web.disk().boots).toBe(boots);
    expect(writer.lost(() => web.disk())).toEqual([]);
  });

  test("[S17, S18] power-off of its host: it runs on the other one, with every acknowledged write; and then the other way round", async () => {
    const writer = writeNumbers(lab.world.reach, web.address, "client");
    await writer.goesOn();
    const before = web.owner();
    await lab.fault("power-off", { host: "h1" });
    await waitFor("web to be on h2", () => (web.owner().host === "h2" ? true : undefined));
    await writer.goesOn();
    expect(web.owner().epoch).toBe(before.epoch + 1);
    expect(writer.lost(() => web.disk())).toEqual([]);
    await lab.fault("power-on", { host: "h1" });
    const back = await becomes("Normal");
    expect(vmOf(back)).toMatchObject({ copy: "in-sync", on: { name: "h2" }, copyOn: { name: "h1" } });
    await writer.goesOn();
    await writer.stop();
    expect(writer.lost(() => web.disk())).toEqual([]);
  });

  /** One write after the other, each waited for however long it takes. */
  function timedWrites(vm: TestVm) {
    let longest = 0;
    let count = 0;
    let stopped = false;
    const work = async (): Promise<void> => {
      for (let n = 1; !stopped; n++) {
        const began = performance.now();
        const path = `/write?n=${n}&client=timed`;
        const end = await lab.world.reach.http({ address: vm.address, port: 80 }, { path, timeoutMs: 30_000 });
        if (end.kind !== "answered" || end.status !== 200) continue;
        longest = Math.max(longest, performance.now() - began);
        count += 1;
      }
    };
    const done = work();
    return {
      longestMs: () => longest,
      goesOn: async () => {
        const before = count;
        await waitFor("the next write", () => count > before + 1 || undefined);
      },
      stop: async () => {
        stopped = true;
        await done;
      },
    };
  }
});
