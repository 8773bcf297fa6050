import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lostNumbers } from "../../bench/failover/disk-check.ts";
import { labLocalPool } from "../../lab/cluster.ts";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import type { PointOutput } from "../../src/api/contract/point.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";

describe("recovery points of a VM with a copy", { timeout: 300_000 }, () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  const points = async (): Promise<readonly PointOutput[]> => (await lab.client("h2").point.list({ vm: "web" })).points;
  const done = async (...line: readonly string[]): Promise<string> => {
    const { code, out, err } = await lab.holdfast(...line);
    expect([line, code, err]).toEqual([line, 0, ""]);
    return out;
  };

  beforeAll(async () => {
    lab = await openTestLab(true, "pair");
    web = await lab.guest("web", 50, null, labLocalPool);
    await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"] });
    await waitFor("its copy to have everything", async () => {
      const shown = await lab.client().group.show({ group });
      return shown.group.status === "Normal" || undefined;
    });
    writer = writeNumbers(lab.world.reach, web.address, "client");
  }, 180_000);
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  }, 60_000);

  test("[S20] by schedule there are more and more, and those that no rule keeps go", async () => {
    await done("group", "set", group, "--points-every", "10s", "--keep", "2x20s");
    const first = await waitFor("a third point", async () => {
      const all = await points();
      return all.length >= 2 && all.some(({ sizeMiB }) => sizeMiB !== null) ? all : undefined;
    });
    expect(first[0]).toMatchObject({ host: { name: "h2" }, origin: "schedule", consistency: "crash", proof: null });
    await waitFor(
      "the first one to go",
      async () => !(await points()).some(({ id }) => id === first[0]?.id) || undefined,
    );
    expect((await points()).length).toBeLessThanOrEqual(4);
    await done("group", "set", group, "--points-every", "never");
  });

  test("[S20] what is exported holds all that was acknowledged before, and nothing later", async () => {
    await writer.goesOn();
    const before = [...writer.acknowledged];
    const said = await done("point", "take", "--vm", "web");
    const taken = (await points()).findLast(({ origin }) => origin === "hand");
    expect(said).toContain(`point ${taken?.id} lies on h2`);
    const after = writer.acknowledged.length;
    await writer.goesOn();
    await writer.goesOn();
    const folder = join(lab.world.dir, "exported");
    await done("point", "export", "web", taken?.id ?? "", "--to", folder);
    const [name = ""] = readdirSync(folder);
    const { records } = readGuestDisk(join(folder, name));
    expect(lostNumbers(records, "client", before)).toEqual([]);
    // One more may have been on its way, and acknowledged afterwards.
    expect(Math.max(...records.map(({ number }) => number))).toBeLessThanOrEqual((writer.acknowledged[after] ?? 0) + 1);
    const again = await lab.holdfast("point", "export", "web", taken?.id ?? "", "--to", folder);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("point-export-there")]);
    rmSync(folder, { recursive: true });
  });

  test("[S20] a test failover boots it beside the run, shows its page, and leaves nothing", async () => {
    const said = await done(
      "point",
      "test",
      "web",
      "newest",
      "--http",
      "/status",
      "--http-address",
      `${web.address}/24`,
    );
    expect(said).toMatch(/^web: proven on .*: [a-zA-Z ]+, \d+\.\d s, RPO .*\n$/u);
    expect((await points()).at(-1)?.proof).toMatchObject({ passed: true });
    expect(await done("group", "show", group)).toContain("proven on");
    await writer.goesOn();
    expect(existsSync(join(lab.host("h2").plan.dirs.run, "proofs", web.id))).toBe(false);
    const failed = await lab.holdfast(
      "point",
      "test",
      "web",
      "--http",
      "/nowhere-at-all",
      "--http-text",
      "x",
      "--limit",
      "20",
    );
    expect([failed.code, failed.err]).toEqual([1, expect.stringContaining("did not show what it should")]);
  });

  test("[S20] one that is dropped is gone; what a copy held before a resync was kept until that was over", async () => {
    const [last] = (await points()).filter(({ origin }) => origin === "hand");
    await done("point", "drop", "web", last?.id ?? "");
    await waitFor("it to go", async () => !(await points()).some(({ id }) => id === last?.id) || undefined);
    expect((await lab.holdfast("point", "drop", "web", "e1-1")).err).toContain("point-unknown");
    await lab.fault("cut", { host: "h2" });
    const copy = async () => (await lab.client("h1").group.show({ group })).group.vms[0]?.copy;
    await waitFor("its copy to be left behind", async () => (await copy()) === "stale" || undefined);
    await lab.fault("heal");
    await waitFor("its copy to have everything again", async () => (await copy()) === "in-sync" || undefined);
    await waitFor("the last one before to go", async () => {
      return (await points()).every(({ origin }) => origin !== "resync") || undefined;
    });
    await writer.goesOn();
    expect(writer.lost(() => web.disk())).toEqual([]);
  });

  test("[S18, S20] after a failover what the old host held is a branch: listed, exported, deleted", async () => {
    const before = [...writer.acknowledged];
    await lab.fault("power-off", { host: "h1" });
    await waitFor("web to be on h2", () => (web.owner().host === "h2" ? true : undefined));
    await lab.fault("power-on", { host: "h1" });
    const branch = await waitFor("the branch", async () => (await points()).find(({ origin }) => origin === "branch"));
    await waitFor("its copy to have everything", async () => {
      const shown = await lab.client("h2").group.show({ group });
      return shown.group.vms[0]?.copy === "in-sync" || undefined;
    });
    expect(await done("branch", "list")).toMatch(new RegExp(`web +${branch.id} +h1`, "u"));
    const folder = join(lab.world.dir, "branch");
    await done("branch", "export", "web", branch.id, "--to", folder);
    const [name = ""] = readdirSync(folder);
    expect(lostNumbers(readGuestDisk(join(folder, name)).records, "client", before)).toEqual([]);
    await done("branch", "delete", "web", branch.id);
    await waitFor("it to go", async () => !(await points()).some(({ id }) => id === branch.id) || undefined);
    await writer.goesOn();
  });

  test("[S18, S20] it goes back to an earlier point on the other host; what came after it stays as a branch", async () => {
    const before = [...writer.acknowledged];
    await done("point", "take", "--vm", "web");
    const early = (await points()).findLast(({ origin }) => origin === "hand");
    const taken = writer.acknowledged.length;
    await writer.goesOn();
    await writer.goesOn();
    const order = ["group", "failover", group, "--vm", "web", "--to-point", early?.id ?? ""];
    const later = writer.acknowledged.slice(taken + 1);
    const shown = await lab.holdfast(...order);
    expect([shown.code, shown.out]).toEqual([1, expect.stringMatching(/web +h1 +earlier-point/u)]);
    await done(...order, "--accept", `web@${early?.id}`);
    await waitFor("web to be back on h1", () => (web.owner().host === "h1" ? true : undefined));
    await writer.goesOn();
    const { records } = web.disk();
    expect(lostNumbers(records, "client", before)).toEqual([]);
    expect(lostNumbers(records, "client", later)).toEqual(later);
    const left = await waitFor("the branch", async () =>
      (await points()).find(({ id, host: { name } }) => id.startsWith("left-") && name === "h1"),
    );
    const folder = join(lab.world.dir, "left");
    await done("branch", "export", "web", left.id, "--to", folder);
    const [name = ""] = readdirSync(folder);
    expect(lostNumbers(readGuestDisk(join(folder, name)).records, "client", [...before, ...later])).toEqual([]);
    await done("branch", "delete", "web", left.id, "--accept");
    await writer.goesOn();
  });

  test("[S18] a group is deleted with its replicas: their host removes them, points and all", async () => {
    await waitFor("its copy to have everything", async () => {
      const shown = await lab.client("h1").group.show({ group });
      return shown.group.vms[0]?.copy === "in-sync" || undefined;
    });
    for (const { id, host, origin } of await points())
      if (host.name === "h2" && origin === "branch-kept") await done("branch", "delete", "web", id, "--accept");
    const pool = dirname(web.image("h2"));
    const files = (): readonly string[] =>
      readdirSync(pool).filter((file) => file.startsWith(basename(web.image("h2"), ".raw")));
    expect(files().length).toBeGreaterThan(0);
    // In the pool it is told whose they are, for as long as they are there.
    const mark = join(pool, "groups", group, ".holdfast-group");
    expect(JSON.parse(readFileSync(mark, "utf8"))).toMatchObject({ group });
    expect((await lab.holdfast("group", "delete", group)).err).toContain("group-replicas-unsaid");
    await waitFor("the branch to go", async () => {
      return !(await points()).some(({ host, origin }) => host.name === "h2" && origin === "branch-kept") || undefined;
    });
    await done("group", "delete", group, "--replicas", "remove", "--accept");
    await waitFor("its images to go", () => (files().length === 0 ? true : undefined));
    await waitFor("the folder of the group to go", () => !existsSync(dirname(mark)) || undefined);
    await waitFor(
      "their points to go",
      async () => (await points()).every(({ host }) => host.name === "h1") || undefined,
    );
    await writer.goesOn();
    expect(await done("log")).toContain("went with their group");
  });
});
