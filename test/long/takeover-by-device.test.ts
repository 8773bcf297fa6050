import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";

describe("two hosts, no witness, and a power controller for each", { timeout: 400_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  const becomesNormal = (at: string) =>
    waitFor("the group to be Normal", async () => {
      const shown = await lab
        .client(at)
        .group.show({ group })
        .catch(() => undefined);
      return shown?.group.status === "Normal" || undefined;
    });
  const goesOnAt = async (survivor: string, epoch: number): Promise<void> => {
    await waitFor(`web to be on ${survivor}`, () => (web.owner().host === survivor ? true : undefined));
    expect(web.owner().epoch).toBeGreaterThan(epoch + 1);
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  };
  const comesBack = async (survivor: string): Promise<void> => {
    await waitFor("both to vote again", () => {
      const forced = lab.history.view.cluster?.value.forced;
      return (forced !== undefined && forced.without.length === 0) || undefined;
    });
    await becomesNormal(survivor);
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  };

  beforeAll(async () => {
    lab = await openTestLab(false, "two", { takeover: "device" });
    web = await lab.guest("web", 50, null, labLocalPool);
    const from = web.owner().host;
    const to = from === "h1" ? "h2" : "h1";
    await lab.client().group.create({ group, from, to, vms: ["web"] });
    await becomesNormal(to);
    if (from === "h2") await lab.client().group.switchover({ group, to: "h1", manner: "live" });
    await waitFor("web to be on h1", () => (web.owner().host === "h1" ? true : undefined));
    await becomesNormal("h2");
    writer = writeNumbers(lab.world.reach, web.address, "client");
    await writer.goesOn();
  }, 240_000);
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  }, 60_000);

  test("[S23] one loses its power: the other one's device says so, and its VMs start without a word", async () => {
    const { epoch } = web.owner();
    await lab.fault("power-off", { host: "h1" });
    await goesOnAt("h2", epoch);
    await lab.fault("power-on", { host: "h1" });
    await comesBack("h2");
  });

  test("[S23] a cut between both: one shoots first, and nothing of the other one runs while it goes on", async () => {
    const { epoch } = web.owner();
    expect(web.owner().host).toBe("h2");
    await lab.fault("cut", { host: "h2" });
    await goesOnAt("h1", epoch);
    expect([lab.host("h1").isOn, lab.host("h2").isOn]).toEqual([true, false]);
    await lab.fault("heal");
    await lab.fault("power-on", { host: "h2" });
    await comesBack("h1");
  });
});
