import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import { relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";
import { controlOrder } from "../contracts/control-order.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";

describe("a group that is paused for a while", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  const status = async (word: string) =>
    waitFor(`the group to be ${word}`, async () => {
      return (await lab.client("h1").group.show({ group })).group.status === word || undefined;
    });
  const relays = (): string => join(lab.host("h1").plan.dirs.run, "relays");
  const relay = async () => {
    const names = readdirSync(relays());
    expect(names).toHaveLength(1);
    const says = await controlOrder(join(relays(), names[0] ?? "", "control.sock"), { kind: "tell" });
    return { name: names[0], ...relaySaysSchema.parse(says).state };
  };
  const done = async (...line: readonly string[]): Promise<void> => {
    const { code, err } = await lab.holdfast(...line);
    expect([line, code, err]).toEqual([line, 0, ""]);
  };

  beforeAll(async () => {
    lab = await openTestLab(true, "pair");
    web = await lab.guest("web", 50, 50, labLocalPool);
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"] });
    await status("Normal");
    writer = writeNumbers(lab.world.reach, web.address, "client");
  }, 180_000);
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  }, 60_000);

  test("[S16, S18] what is written meanwhile is noted, and nothing else is copied once it goes on", async () => {
    await writer.goesOn();
    await done("group", "pause", group);
    const shown = async () => (await lab.client("h1").group.show({ group })).group.vms[0];
    // From the first answer on.
    expect(await shown()).toMatchObject({ copy: "stale", aloneBy: "record" });
    await waitFor("the relay to let it go on alone", async () => (await relay()).mode === "stale" || undefined);
    const before = await relay();
    await writer.goesOn();
    await writer.goesOn();
    await waitFor("what only h1 has to be told", async () => ((await shown())?.atRiskMiB ?? 0) > 0 || undefined);
    await done("group", "resume", group);
    await status("Normal");
    const after = await relay();
    expect([after.name, after.mode]).toEqual([before.name, "hold"]);
    // The guest's writes of some seconds are a block or two of 64 KiB; its disk is of 64 MiB.
    expect(after.sentBytes - before.sentBytes).toBeLessThan(2 ** 22);
    await writer.goesOn();
    const acknowledged = [...writer.acknowledged];
    await lab.fault("power-off", { host: "h1" });
    await waitFor("web to be on h2", () => (web.owner().host === "h2" ? true : undefined));
    await web.answers();
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(writer.lost(() => web.disk())).toEqual([]);
  });
});
