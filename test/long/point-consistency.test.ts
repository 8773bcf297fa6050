import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as soon } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lostNumbers } from "../../bench/failover/disk-check.ts";
import { labLocalPool } from "../../lab/cluster.ts";
import { type GuestRecord, readGuestDisk } from "../../lab/guest/disk.ts";
import type { PointOutput } from "../../src/api/contract/point.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const triesMax = 20;

describe("application-consistent recovery points", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  const done = async (...line: readonly string[]): Promise<string> => {
    const { code, out, err } = await lab.holdfast(...line);
    expect([line, code, err]).toEqual([line, 0, ""]);
    return out;
  };
  const newest = async (vm: string): Promise<PointOutput | undefined> =>
    (await lab.client("h2").point.list({ vm })).points.findLast(({ origin }) => origin === "hand");
  const protect = async (group: string, vm: string): Promise<void> => {
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: [vm] });
    await waitFor("its copy to have everything", async () => {
      const shown = await lab.client().group.show({ group });
      return shown.group.status === "Normal" || undefined;
    });
  };
  const exported = async (vm: string, { id }: PointOutput): Promise<readonly GuestRecord[]> => {
    const folder = join(lab.world.dir, id);
    await done("point", "export", vm, id, "--to", folder);
    const [name = ""] = readdirSync(folder);
    const { records } = readGuestDisk(join(folder, name));
    await done("point", "drop", vm, id);
    return records;
  };
  /** The last of what the guest does by itself, in two steps each time: is it half done there? */
  const isHalfDone = (records: readonly GuestRecord[]): boolean =>
    records.findLast(({ client }) => client.startsWith("pair-"))?.client === "pair-open";
  const taken = async (...options: readonly string[]) => {
    const before = [...writer.acknowledged];
    const said = await done("point", "take", "--vm", "web", ...options);
    const point = await newest("web");
    if (point === undefined) throw new Error("There is no point");
    const records = await exported("web", point);
    expect(lostNumbers(records, "client", before)).toEqual([]);
    return { said, point, records };
  };

  beforeAll(async () => {
    lab = await openTestLab(true, "pair");
    web = await lab.guest("web", 50, 20, labLocalPool, { pairMs: 300 });
    await protect("office", "web");
    writer = writeNumbers(lab.world.reach, web.address, "client");
  }, 180_000);
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  }, 60_000);

  test("[S20] such a point holds nothing half done, where one as after a power cut does", async () => {
    for (let i = 0; i < 3; i++) {
      const { said, point, records } = await taken("--application");
      expect([point.consistency, point.whyCrash, said]).toEqual([
        "application",
        null,
        expect.stringContaining("application-consistent"),
      ]);
      expect(isHalfDone(records)).toBe(false);
    }
    let found = false;
    for (let i = 0; i < triesMax && !found; i++) {
      const { point, records } = await taken();
      expect([point.consistency, point.whyCrash]).toEqual(["crash", null]);
      found = isHalfDone(records);
    }
    expect(found).toBe(true);
  });

  test("[S20] the agent that had it stand still is killed: it goes on, and nothing is left of it", async () => {
    const marks = join(lab.host("h1").plan.dirs.run, "standing-still");
    const marked = (): boolean => existsSync(marks) && readdirSync(marks).length > 0;
    const taking = lab.holdfast("point", "take", "--vm", "web", "--application");
    let over = false;
    void taking.then(() => {
      over = true;
    });
    while (!over && !marked()) await soon();
    expect(over).toBe(false);
    await lab.fault("kill", { host: "h1", process: "holdfastd" });
    await taking;
    await waitFor("the next one to see to it", () => !marked() || undefined);
    await writer.goesOn();
    await waitFor("it to come to an end of what it does", () => isHalfDone(web.disk().records) || undefined);
    const point = await newest("web");
    if (point !== undefined) await done("point", "drop", "web", point.id);
  });

  test("[S20] a guest whose agent is silent: its points are as after a power cut, and it is said why", async () => {
    await lab.guest("mail", 51, 100, labLocalPool, { agent: false });
    await protect("post", "mail");
    const said = await done("point", "take", "--vm", "mail", "--application");
    expect(said).toMatch(/crash-consistent\. It is as after a power cut: No guest agent answers in VM mail\./u);
    expect(await newest("mail")).toMatchObject({
      consistency: "crash",
      whyCrash: { code: "freeze-no-agent", params: { vm: "mail" } },
    });
    expect(await done("log")).toMatch(/of VM mail was taken, crash-consistent.*No guest agent answers in VM mail/u);
    await done("group", "set", "post", "--points-every", "10s", "--consistency", "application");
    const shown = await waitFor("the group to tell it", async () => {
      const text = await done("group", "show", "post");
      return text.includes("No guest agent answers in VM mail") ? text : undefined;
    });
    expect(shown).toMatch(/Warning/u);
    expect(shown).toContain("Install and start a guest agent in it");
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
  });
});
