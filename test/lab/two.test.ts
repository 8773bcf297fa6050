import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lostNumbers } from "../../bench/failover/disk-check.ts";
import { labLocalPool } from "../../lab/cluster.ts";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import { forcedMark, memberDataDir } from "../../src/adapters/etcd/member.ts";
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
  const socketOf = (name: string) => ["--socket", join(lab.host(name).plan.dirs.run, "api.sock")];
  const takeOver = (...more: readonly string[]) =>
    lab.holdfast(...socketOf(survivor), "cluster", "takeover", "--peer-is-off", "--accept", "--json", ...more);

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
    // The store's last word is that the copy has everything: each host says what it knows itself.
    const said = (at: string, code: string) =>
      waitFor(`${at} to say ${code}`, async () => {
        const { group: shown } = await lab.client(at).group.show({ group });
        return shown.reasons.some((reason) => reason.code === code) ? shown : undefined;
      });
    const alone = await waitFor("what is at risk to be told", async () => {
      const [shown] = (await said(lost, "group-vm-alone-here")).vms;
      return shown?.atRiskMiB != null && shown.atRiskMiB > 0 ? shown : undefined;
    });
    console.info(`its own host says: alone for ${alone.aloneMs} ms, ${alone.atRiskMiB} MiB at risk`);
    expect(alone).toMatchObject({ copy: "in-sync", aloneBy: "host", aloneMs: expect.any(Number) });
    await said(survivor, "group-vm-maybe-alone");
    const listed = await lab.holdfast(...socketOf(lost), "vm", "list");
    expect(listed.out).toContain(`By the word of ${lost} itself`);
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

  test("[S24] the mark of a takeover that never came goes by itself, because both vote", async () => {
    const mark = forcedMark(memberDataDir(lab.host(lost).plan.dirs.state));
    writeFileSync(mark, "");
    await waitFor("the mark to go", () => !existsSync(mark) || undefined);
    expect(web.owner().host).toBe(survivor);
  });

  test("[S18, S23] what a host wrote alone before the other one took over is a branch there: listed, exported, deleted", async () => {
    await lab.fault("cut", { host: lost });
    // Each of the first waits for the copy until the bound; those after it nobody else has.
    for (let writes = 0; writes < 3; writes++) await writer.goesOn();
    await lab.fault("power-off", { host: survivor });
    await lab.fault("heal");
    const ask = (...more: readonly string[]) =>
      lab.holdfast(...socketOf(lost), "cluster", "takeover", "--peer-is-off", "--json", ...more);
    expect(await ask()).toMatchObject({ code: 1, err: expect.stringContaining("takeover-loss") });
    expect(await ask("--accept")).toMatchObject({ code: 0 });
    await waitFor("web to be on the other host", () => (web.owner().host === lost ? true : undefined));
    await writer.goesOn();
    const alone = writer.lost(() => web.disk());
    expect(alone.length).toBeGreaterThan(0);
    await lab.fault("power-on", { host: survivor });
    await becomes("Normal", lost);
    const { points } = await lab.client(lost).point.list({ vm: "web" });
    const branch = points.find(({ origin, host }) => origin === "branch-kept" && host.name === survivor);
    expect(branch?.id).toBeDefined();
    const folder = join(lab.world.dir, "alone");
    const id = branch?.id ?? "";
    expect(await lab.holdfast(...socketOf(lost), "branch", "export", "web", id, "--to", folder)).toMatchObject({
      code: 0,
    });
    const [name = ""] = readdirSync(folder);
    expect(lostNumbers(readGuestDisk(join(folder, name)).records, "client", alone)).toEqual([]);
    const refused = await lab.holdfast(...socketOf(lost), "branch", "delete", "web", id);
    expect(refused.code).toBe(1);
    expect(await lab.holdfast(...socketOf(lost), "branch", "delete", "web", id, "--accept")).toMatchObject({ code: 0 });
    await waitFor("it to go", async () => {
      const left = await lab.client(lost).point.list({ vm: "web" });
      return !left.points.some((point) => point.id === id) || undefined;
    });
    expect(lab.watcher.doubleRuns).toEqual([]);
  });
});
