import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import type { GroupOutput } from "../../src/api/contract/group.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";

describe("two hosts with disks of their own, and no witness", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let own: TestVm;
  let writer: Writer;
  let ownWriter: Writer;
  let lost: string;
  let survivor: string;

  const becomes = (status: GroupOutput["status"], at: string) =>
    waitFor(`group ${group} to be ${status}`, async () => {
      const shown = await lab
        .client(at)
        .group.show({ group })
        .catch(() => undefined);
      return shown?.group.status === status || undefined;
    });
  /** At the host that is not lost here. */
  const takeOver = (...more: readonly string[]) => {
    const socket = join(lab.host(survivor).plan.dirs.run, "api.sock");
    return lab.holdfast("--socket", socket, "cluster", "takeover", "--peer-is-off", "--json", ...more);
  };

  beforeAll(async () => {
    lab = await openTestLab(false, "two");
    web = await lab.guest("web", 50, null, labLocalPool);
    own = await lab.guest("own", 51, null, labLocalPool);
    lost = web.owner().host;
    survivor = lost === "h1" ? "h2" : "h1";
    await lab.client().vm.migrate({ vm: "own", to: survivor });
    await waitFor("own to be on the other host", () => (own.owner().host === survivor ? true : undefined));
    await lab.client().group.create({ group, from: lost, to: survivor, vms: ["web"] });
    await becomes("Normal", survivor);
    writer = writeNumbers(lab.world.reach, web.address, "client");
    ownWriter = writeNumbers(lab.world.reach, own.address, "own");
    await writer.goesOn();
  }, 180_000);
  afterAll(async () => {
    await writer?.stop();
    await ownWriter?.stop();
    await lab?.close();
  }, 60_000);

  test("[S23] refused as long as the store serves, and as long as the other one answers", async () => {
    expect(await takeOver()).toMatchObject({ code: 1, err: expect.stringContaining("takeover-not-needed") });
    await lab.fault("freeze", { host: lost, process: "etcd" });
    expect(await takeOver()).toMatchObject({ code: 1, err: expect.stringContaining("takeover-peer-answers") });
    await lab.fault("thaw", { host: lost, process: "etcd" });
    await lab.settle();
  });

  test("[S16, S23] a cut between both: the guest goes on by its host's note, and once the link is back its copy catches up", async () => {
    await lab.fault("cut", { host: survivor });
    // Each write waits for the copy until the bound, and no store takes a record of it. One may have been answered before.
    for (let writes = 0; writes < 3; writes++) await writer.goesOn();
    const inSync = (): number => lab.history.events("replica-in-sync").length;
    const before = inSync();
    await lab.fault("heal");
    await waitFor("the copy to be brought up to date", () => (inSync() > before ? true : undefined));
    expect(lab.history.events("replica-left-behind")).toHaveLength(1);
    await becomes("Normal", lost);
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(web.owner().host).toBe(lost);
    expect(lab.watcher.doubleRuns).toEqual([]);
  });

  test("[S23] power-off of one: the other one's VMs go on; after the takeover it has the rest, with every write", async () => {
    const before = web.owner();
    await lab.fault("power-off", { host: lost });
    await ownWriter.goesOn();
    const shown = await takeOver("--dry-run");
    expect(JSON.parse(shown.out)).toMatchObject({ done: false, vms: [{ name: "web", why: null }] });
    const taken = await takeOver();
    expect(taken).toMatchObject({ code: 0 });
    expect(JSON.parse(taken.out)).toMatchObject({ done: true, lost: [{ name: lost, proof: "power-off" }] });
    await waitFor("web to be on the survivor", () => (web.owner().host === survivor ? true : undefined));
    expect(web.owner().epoch).toBeGreaterThan(before.epoch + 1);
    await writer.goesOn();
    await ownWriter.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  });

  test("[S23] the other one comes back by itself: it joins the store, and is copied to again", async () => {
    await lab.fault("power-on", { host: lost });
    await waitFor("its member to vote again", () => {
      const forced = lab.history.view.cluster?.value.forced;
      return (forced !== undefined && forced.without.length === 0) || undefined;
    });
    await becomes("Normal", survivor);
    await lab.settle();
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(ownWriter.lost(() => own.disk())).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  });
});
