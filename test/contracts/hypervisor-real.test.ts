import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import { runCommand } from "../../src/adapters/linux/command.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, Epoch, Incarnation, PoolId, VmId, WallMs } from "../../src/model/ids.ts";
import type { Pool } from "../../src/model/records.ts";
import type { HypervisorEnd, VmRun } from "../../src/ports/hypervisor.ts";
import { openRealRig } from "./real-rig.ts";

const limit = { timeout: 90_000 };
const done: HypervisorEnd = { kind: "done" };

test(
  "a guest on a bridge answers HTTP, its acknowledged writes are on the disk, and no tap is left",
  limit,
  async () => {
    const probe = join(import.meta.dirname, "hypervisor-probe.ts");
    const { stdout } = await promisify(execFile)("unshare", ["--net", process.execPath, probe], { timeout: 90_000 });
    const found = JSON.parse(stdout);
    expect(found.refused).toEqual({ kind: "refused", code: "bridge-missing", params: { bridge: "nobridge" } });
    expect(found.leftAfterRefusal).toBe("");
    expect(found.started).toEqual(done);
    expect(found.status).toMatchObject({ name: "web", boots: 1, epoch: 5 });
    expect(found.wrote).toMatchObject([
      { n: 41, epoch: 5 },
      { n: 42, epoch: 5 },
    ]);
    expect(found.adoption).toEqual(done);
    expect(found.afterAdoption).toMatchObject({ n: 43 });
    expect(found.killed).toEqual(done);
    expect(found.numbers).toEqual(["41@5", "42@5", "43@5"]);
    expect(found.ticks).toBeGreaterThan(0);
    expect(found.boots).toBe(1);
    expect(found.left).toEqual({ taps: "", folder: false, process: false });
  },
);

test(
  "a disk that cannot be written pauses its guest, is told as a storage error, and goes on once it can",
  limit,
  async () => {
    const rig = await openRealRig();
    const run: VmRun = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
    const small = join(rig.runDir, "pool");
    try {
      await runCommand("mount", ["-t", "tmpfs", "-o", "size=64k", "holdfast-test", small], { limitMs: 5_000 });
      rig.openIncarnation(run.incarnation);
      const request = rig.request(run, { act: "stay", disk: "web" });
      writeFileSync(join(small, "filler"), Buffer.alloc(64 * 1024));
      expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.start(request, end))).toEqual(done);
      await rig.until("the guest is paused", () => rig.events.length > 0);
      expect(rig.events).toEqual([{ kind: "paused", run, by: "storage-error" }]);
      // The guest is let go on again and again meanwhile: its failures in between are no news.
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      expect(rig.events).toHaveLength(1);
      rmSync(join(small, "filler"));
      await rig.until("the guest goes on", () => rig.events.length > 1);
      expect(rig.events.slice(1)).toEqual([{ kind: "resumed", run }]);
    } finally {
      await rig.end<HypervisorEnd>((end) => rig.hypervisor.kill(run, end));
      await runCommand("umount", [small], { limitMs: 5_000 });
      await rig.close();
    }
  },
);

test(
  "an end by SIGTERM is told as such also where a question to QEMU crosses it, and its last words are lost",
  limit,
  async () => {
    const rig = await openRealRig();
    const run: VmRun = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
    try {
      rig.openIncarnation(run.incarnation);
      const request = rig.request(run, { act: "stay", disk: "web" });
      expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.start(request, end))).toEqual(done);
      // What it has said lies unread in the socket when the next command breaks the pipe: Node gives the rest up.
      rig.quitProcess(run);
      while (rig.processExists(run));
      await rig.end((end) => rig.hypervisor.reset(run, end));
      await rig.until("its end is told", () => rig.events.length > 0);
      expect(rig.events).toMatchObject([{ kind: "exited", run, exit: "host-quit" }]);
    } finally {
      await rig.close();
    }
  },
);

describe("a guest that stands still because its disk is full", limit, () => {
  const run: VmRun = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
  let rig: Awaited<ReturnType<typeof openRealRig>>;
  const pool = (): string => join(rig.runDir, "pool");
  const makeRoom = (): void => rmSync(join(pool(), "filler"));
  const boots = (): number => readGuestDisk(join(pool(), "web.raw")).boots;
  const halt = (graceMs: number) => rig.end<HypervisorEnd>((end) => rig.hypervisor.halt(run, graceMs, end));
  const exits = () => rig.events.filter(({ kind }) => kind === "exited");

  beforeEach(async () => {
    rig = await openRealRig();
    await runCommand("mount", ["-t", "tmpfs", "-o", "size=64k", "holdfast-test", pool()], { limitMs: 5_000 });
    rig.openIncarnation(run.incarnation);
    const request = rig.request(run, { act: "stay", disk: "web", ticks: true });
    writeFileSync(join(pool(), "filler"), Buffer.alloc(64 * 1024));
    expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.start(request, end))).toEqual(done);
    await rig.until("the guest is paused", () => rig.events.length > 0);
    expect(rig.events).toEqual([{ kind: "paused", run, by: "storage-error" }]);
  });
  afterEach(async () => {
    await rig.end<HypervisorEnd>((end) => rig.hypervisor.kill(run, end));
    await runCommand("umount", [pool()], { limitMs: 5_000 });
    await rig.close();
  });

  test("[S25] once it is halted it is not let go on, whatever becomes of the disk", async () => {
    expect(await halt(0)).toEqual(done);
    makeRoom();
    // It was let go on every second or two before: a guest that went on for a moment would have written.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(boots()).toBe(0);
    expect(rig.processExists(run)).toBe(true);
    expect(rig.events).toHaveLength(1);
  });

  test("[S25] whoever asked it to shut down is gone before it stood still for good: the next one lets it go on", async () => {
    void halt(60_000);
    await rig.reopen();
    makeRoom();
    await rig.until("the guest goes on", () => rig.events.some(({ kind }) => kind === "resumed"));
    await rig.until("it has written", () => boots() === 1);
    expect(exits()).toEqual([]);
  });
});

describe("volumes", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hf-vol-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const pool = (quotaMiB: number | null = null): Pool => ({
    schema: 1,
    id: "p1" as PoolId,
    name: "first",
    kind: "local-dir",
    path: folder,
    quotaMiB,
    createdAt: 0 as WallMs,
  });
  const volumes = (cluster = "c1") => openVolumes({ cluster: cluster as ClusterId, pools: {} });
  const create = (of: Pool, name: string, sizeMiB: number, format: "raw" | "qcow2" = "raw", by = volumes()) =>
    new Promise<HypervisorEnd>((end) => by.create(of, name, sizeMiB, format, end));
  const remove = (of: Pool, name: string) => new Promise<HypervisorEnd>((end) => volumes().remove(of, name, end));

  test("images are sparse, made once, and removed", async () => {
    expect(await create(pool(), "v1", 64)).toEqual(done);
    expect(await create(pool(), "v2", 64, "qcow2")).toEqual(done);
    const raw = statSync(join(folder, "v1.raw"));
    expect([raw.size, raw.blocks < 100]).toEqual([64 * 1024 * 1024, true]);
    expect(await create(pool(), "v1", 128)).toEqual(done);
    expect(statSync(join(folder, "v1.raw")).size).toBe(raw.size);
    expect(await remove(pool(), "v1")).toEqual(done);
    expect(await remove(pool(), "v2")).toEqual(done);
    expect(await remove(pool(), "v2")).toEqual(done);
    expect(readdirSync(folder)).toEqual([".holdfast-pool"]);
  });

  test("[S21] nothing is called removed where the pool's mark is missing, as on a mount point whose disk is away", async () => {
    expect(await create(pool(), "v1", 1)).toEqual(done);
    const [mark, aside] = [join(folder, ".holdfast-pool"), join(folder, "mark-aside")];
    renameSync(mark, aside);
    const away = { kind: "refused", code: "pool-mark-missing", params: { pool: "first", path: folder } };
    expect(await remove(pool(), "v1")).toEqual(away);
    expect(readdirSync(folder)).toContain("v1.raw");
    renameSync(aside, mark);
    expect(await remove(pool(), "v1")).toEqual(done);
    expect(readdirSync(folder)).toEqual([".holdfast-pool"]);
  });

  test("a pool's quota counts what its disks may grow to", async () => {
    expect(await create(pool(100), "v1", 60, "qcow2")).toEqual(done);
    expect(await create(pool(100), "v2", 60)).toEqual({
      kind: "refused",
      code: "pool-quota",
      params: { pool: "first", needMiB: 60, freeMiB: 40, quotaMiB: 100 },
    });
  });

  test.each(["raw", "qcow2"] as const)(
    "the last room of a pool is given once, whoever asks at the same time: %s",
    async (format) => {
      const ends = await Promise.all(["v1", "v2", "v3"].map((name) => create(pool(100), name, 60, format)));
      expect(ends.map(({ kind }) => kind)).toEqual(["done", "refused", "refused"]);
      expect(readdirSync(folder)).toEqual([".holdfast-pool", `v1.${format}`]);
    },
  );

  test("what is given up while it is made does not appear later, and what was never finished goes", async () => {
    writeFileSync(join(folder, "v1.raw.99999999.part"), "");
    expect(await Promise.all([create(pool(), "v1", 1), remove(pool(), "v1")])).toEqual([done, done]);
    expect(readdirSync(folder)).toEqual([".holdfast-pool"]);
  });

  test("a disk larger than what the pool has room for is refused, promises of other disks included", async () => {
    expect(await create(pool(), "huge", 1024 ** 3)).toMatchObject({ kind: "refused", code: "pool-full" });
    writeFileSync(join(folder, "other.raw"), "");
    truncateSync(join(folder, "other.raw"), 8 * 1024 ** 4);
    expect(await create(pool(), "small", 1)).toMatchObject({ kind: "refused", code: "pool-full" });
  });

  test("a folder that is missing or belongs to another cluster is not touched", async () => {
    expect(await create({ ...pool(), path: join(folder, "no") }, "v1", 1)).toMatchObject({
      code: "pool-folder-missing",
    });
    expect(await create(pool(), "v1", 1)).toEqual(done);
    expect(await create(pool(), "v2", 1, "raw", volumes("c2"))).toEqual({
      kind: "refused",
      code: "pool-foreign",
      params: { pool: "first", path: folder, owner: "c1/p1" },
    });
  });
});
