import { closeSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labLocalPool, localPoolDir } from "../../lab/cluster.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";

describe("a copy that somebody edits while it is received", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  const shown = async () => (await lab.client("h1").group.show({ group })).group;
  const becomes = (word: string) =>
    waitFor(`the group to be ${word}`, async () => (await shown()).status === word || undefined);
  const poolOf = (host: string): string => localPoolDir(lab.host(host).plan);
  const notes = (host: string): readonly string[] =>
    readdirSync(poolOf(host)).filter((name) => name.endsWith(".edited"));
  const checksOf = async () =>
    (await lab.client("h1").cluster.status({})).checks.filter(({ id }) => id.startsWith("copies-"));
  /** One byte of it, in place, far behind what the guest has. */
  const edit = (host: string): void => {
    const [image = ""] = readdirSync(poolOf(host)).filter((name) => /\.(raw|qcow2)$/u.test(name));
    const file = openSync(join(poolOf(host), image), "r+");
    writeSync(file, Buffer.from([1]), 0, 1, 40 * 1024 * 1024);
    closeSync(file);
  };

  beforeAll(async () => {
    lab = await openTestLab(false, "pair");
    web = await lab.guest("web", 50, null, labLocalPool);
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"] });
    await becomes("Normal");
    writer = writeNumbers(lab.world.reach, web.address, "client");
  }, 180_000);
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  }, 60_000);

  test("[S21] the guest goes on, and host and group say who wrote what, also after a restart of their daemon", async () => {
    await writer.goesOn();
    expect(await checksOf()).toEqual([]);
    const before = web.owner();
    edit("h2");
    await becomes("Error");
    const { reasons } = await shown();
    expect(reasons.map(({ code }) => code)).toEqual(["copies-edited"]);
    expect(String(reasons[0]?.params["detail"])).toMatch(/ wrote \S+ at 20/u);
    await lab.fault("kill", { host: "h2", process: "holdfastd" });
    await waitFor("its next one to answer", () =>
      lab
        .client("h2")
        .group.show({ group })
        .then(({ group: { status } }) => status === "Error" || undefined)
        .catch(() => undefined),
    );
    await writer.goesOn();
    expect((await checksOf()).map(({ id, params }) => [id, params["vm"]])).toEqual([["copies-edited", "web"]]);
    expect(web.owner()).toEqual(before);
  });

  test("[S17, S21] the copy counts all the same: both hosts go on, there and back, without another note", async () => {
    await becomes("Error");
    await lab.client("h1").group.switchover({ group, to: "h2" });
    await waitFor("web to be on h2", () => web.owner().host === "h2" || undefined);
    await writer.goesOn();
    for (const name of notes("h2")) rmSync(join(poolOf("h2"), name));
    await becomes("Normal");
    await writer.goesOn();
    await lab.client("h1").group.switchover({ group, to: "h1" });
    await waitFor("web to be on h1", () => web.owner().host === "h1" || undefined);
    await becomes("Normal");
    await writer.goesOn();
    expect([notes("h1"), notes("h2"), await checksOf()]).toEqual([[], [], []]);
  });

  test("[S17, S21] its host is lost: the VM starts from the copy, with every write", async () => {
    const acknowledged = [...writer.acknowledged];
    await lab.fault("power-off", { host: "h1" });
    await waitFor("web to be on h2", () => web.owner().host === "h2" || undefined);
    await web.answers();
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(writer.lost(() => web.disk())).toEqual([]);
    expect(notes("h2")).toEqual([]);
  });
});
