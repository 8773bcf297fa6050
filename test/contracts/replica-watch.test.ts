import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isProcessOf } from "../../src/adapters/linux/process.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId } from "../../src/model/ids.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import { builtWatch } from "../support/built-watch.ts";
import { cyclesOf } from "./cycles-calls.ts";
import { openRealReplicaPair, type RealReplicaPair } from "./real-replica-pair.ts";
import { blocks, diskNames, done, pool, replicasOf, run4, run5 } from "./replication-calls.ts";

// What is noted of who else writes the images of copies (S21), by the kernel's word, with real storage daemons; and that nothing but a
// note comes of it.

let rig: RealReplicaPair;
const calls = replicasOf(() => rig);
const { doorsFor, attach, attached, write, inSync, confirm, cease, takePoint, dropPoint, points, expectSame } = calls;
const cycles = cyclesOf(() => rig);
const limit = { timeout: 120_000 };
/** Far behind all that is in use: a write that the copy does not notice. */
const farBlock = 4_096;

beforeEach(async () => {
  rig = await openRealReplicaPair();
});
afterEach(() => rig.close());

/** Of one disk, what is written: the last layer that was laid. */
function topOf(disk: number): string {
  const numberOf = (name: string): number => Number(/\.(\d+)\.qcow2$/u.exec(name)?.[1] ?? 0);
  const layers = readdirSync(rig.poolFolder).filter((name) => /^web-\d\..*qcow2$/u.test(name));
  const own = layers.filter((name) => name.startsWith(`${diskNames[disk]}.`));
  return join(rig.poolFolder, own.sort((a, b) => numberOf(b) - numberOf(a))[0] ?? "");
}

/** The number of the process that wrote. */
function dd(path: string, block = farBlock): number {
  const args = ["if=/dev/zero", `of=${path}`, "bs=4096", "count=1", `seek=${block}`, "conv=notrunc"];
  const end = spawnSync("dd", args, { stdio: "ignore" });
  expect(end.status).toBe(0);
  return end.pid;
}

/** By this very process. */
function put(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.from([1]), 0, 1, farBlock * 4_096);
  closeSync(file);
}

const isTold = (): Promise<void> => rig.until("it is told", async () => (await rig.edited()).length > 0);
const isGone = (pid: number): boolean => !isProcessOf(pid, list());

function list(): string {
  return join(rig.receivedFolder, "watch.list");
}

/** 0: none looks at present. */
function watcher(): number {
  const path = `${list()}.pid`;
  const pid = existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
  return pid > 0 && isProcessOf(pid, list()) ? pid : 0;
}

const looks = (): Promise<void> => rig.until("it looks", () => watcher() > 0);

async function expectNoted(...volumes: readonly string[]): Promise<void> {
  expect((await rig.edited()).map(({ volume }) => volume)).toEqual(volumes);
}

describe("somebody else writes an image of a copy", limit, () => {
  test("[S21] it is told which file, by which process and when; the copy goes on and stays in sync, the guest waits for nothing", async () => {
    await attached();
    await looks();
    const before = Date.now();
    const pid = dd(topOf(0));
    await isTold();
    const [told, more] = await rig.edited();
    expect(more).toBeUndefined();
    expect(told?.words).toMatch(
      new RegExp(`^(dd|a process that is gone) \\(process ${pid}\\) wrote web-0\\.qcow2 at `, "u"),
    );
    expect(Date.parse(told?.words.split(" at ")[1] ?? "")).toBeGreaterThanOrEqual(before - 1_000);
    await write(0, 3, 33);
    await write(1, 4, 44);
    expect(await confirm()).toEqual(done);
    expect(calls.told("waits")).toEqual([]);
    await expectSame(await calls.copies());
    // It lies beside what a guest starts from now.
    await expectNoted("web-0");
  });

  test("[S21] it stays noted for the next agent, and is noted with no agent and no storage daemon there as well", async () => {
    await attached();
    await looks();
    put(topOf(0));
    await isTold();
    await rig.reopenTarget(async () => {
      await expectNoted("web-0");
      await rig.killDaemon();
      put(topOf(1));
      await rig.until("both are told", async () => (await rig.edited()).length > 1);
    });
    await expectNoted("web-0", "web-1");
    expect((await rig.edited())[1]?.words).toContain(`(process ${process.pid}) wrote web-1.qcow2`);
    await rig.rebootTarget();
    await doorsFor();
    await looks();
    await expectNoted("web-0", "web-1");
  });

  test("[S21] each that wrote counts; a note that somebody deletes as harmless stays away until the next write", async () => {
    await attached();
    await looks();
    dd(topOf(0));
    await isTold();
    put(topOf(0));
    await rig.until("the second is told", async () => (await rig.edited())[0]?.words.endsWith(", and 1 more") === true);
    rmSync(join(rig.poolFolder, "web-0.edited"));
    await write(0, 3, 33);
    await rig.whileLater();
    await expectNoted();
    put(topOf(0));
    await isTold();
  });

  test("[S21] what is written through a loop device is told", async () => {
    await attached();
    await looks();
    const device = execFileSync("losetup", ["--find", "--show", topOf(1)], { encoding: "utf8" }).trim();
    try {
      await isTold();
    } finally {
      execFileSync("losetup", ["--detach", device]);
    }
    expect((await rig.edited())[0]?.words).toMatch(/^loop device loop\d+ wrote web-1\.qcow2/u);
  });

  test("[S21] what the kernel could not keep for it was written by somebody unseen", async () => {
    await attached();
    await looks();
    const first = watcher();
    process.kill(first, "SIGKILL");
    await rig.until("it is gone", () => isGone(first));
    // For a moment only: every other one that begins meanwhile has no room either.
    const sysctl = "/proc/sys/fs/fanotify/max_queued_events";
    const before = readFileSync(sysctl, "utf8");
    writeFileSync(sysctl, "1");
    try {
      spawn(builtWatch(), [list(), join(rig.receivedFolder, "watch.pids")], { stdio: "ignore" }).unref();
      await rig.until("another one is there", () => watcher() > 0 && watcher() !== first);
    } finally {
      writeFileSync(sysctl, before);
    }
    process.kill(watcher(), "SIGSTOP");
    await write(0, 1, 11);
    await write(1, 1, 11);
    process.kill(watcher(), "SIGCONT");
    await isTold();
    expect((await rig.edited())[0]?.words).toContain("somebody unseen (too many writes at once)");
  });

  test("[S21] one that stands still tells what it has not told yet before a guest starts from the copies", async () => {
    await attached();
    await looks();
    process.kill(watcher(), "SIGSTOP");
    put(topOf(0));
    expect(await cease()).toMatchObject({ kind: "ceased" });
    await expectNoted("web-0");
  });

  test("[S21] the note goes with the images, when they are removed", async () => {
    await attached();
    await looks();
    for (const disk of diskNames.keys()) put(topOf(disk));
    await rig.until("both are told", async () => (await rig.edited()).length > 1);
    await cease();
    const volumes = openVolumes({ cluster: "test" as ClusterId, pools: { [pool.id]: rig.poolFolder } });
    for (const disk of diskNames)
      expect(await rig.end<HypervisorEnd>((end) => volumes.remove(pool, disk, end))).toEqual(done);
    await expectNoted();
  });
});

describe("nobody else writes", limit, () => {
  test("[S20, S21] points, merges, deaths of its daemons and agents, and the guest that starts from there are no edits", async () => {
    await attached();
    await looks();
    for (const [i, id] of ["p1", "p2", "p3"].entries()) {
      await write(0, 7, 70 + i);
      expect([await calls.bar(), await takePoint(id), await calls.unbar()]).toEqual([done, done, done]);
    }
    for (const id of ["p1", "p2"]) expect(await dropPoint(id)).toEqual(done);
    await rig.until("both are merged", async () => (await points()).length === 1);
    for (let i = 0; i < 3; i += 1) {
      const waits = rig.write(1, 8, 80 + i);
      await rig.killDaemon();
      if (i === 1) await rig.reopenTarget();
      await doorsFor();
      await rig.until("it has arrived", () => waits.isAcknowledged);
      await write(1, 9, 90 + i);
    }
    await inSync();
    const last = watcher();
    expect(last).toBeGreaterThan(0);
    await expectSame(await calls.copies());
    expect(isGone(last)).toBe(true);
    // A guest that starts from there.
    put(topOf(0));
    await rig.whileLater();
    await expectNoted();
    // The next run is received upon it.
    await rig.killRun(run4);
    await rig.startRun(run5);
    expect(await attach(await doorsFor({ epoch: run5.epoch }), run5)).toEqual(done);
    await inSync(run5);
    await rig.whileLater();
    await expectNoted();
    expect(rig.unwatched()).toEqual([]);
  });

  test("[S21, S25] cycles, sealed and begun anew, a reboot of their host, and a way back to one of them are no edits", async () => {
    await rig.startRun(run4);
    const doors = await cycles.doorsFor();
    const first = await cycles.sealed(doors);
    await looks();
    for (let i = 0; i < 4; i += 1) {
      rig.write(0, i, 40 + i);
      await cycles.sealed(doors);
    }
    await rig.rebootTarget();
    await cycles.sealedInTheEnd(await cycles.doorsFor());
    await looks();
    rig.write(1, blocks - 1, 99);
    await cycles.sealedInTheEnd(await cycles.doorsFor());
    expect(await cycles.ceaseAt(first.cycle.point, { keeps: true })).toMatchObject({ kind: "ceased" });
    await rig.whileLater();
    await expectNoted();
  });

  test("[S21] a watch whose folder is deleted under it ends, and notes nothing of what comes then", async () => {
    await attached();
    await looks();
    const pid = watcher();
    const image = topOf(0);
    rmSync(rig.receivedFolder, { recursive: true });
    put(image);
    await rig.until("it has ended", () => !existsSync(`/proc/${pid}`) || isGone(pid));
    await expectNoted();
  });
});

describe("nobody watches", limit, () => {
  test("[S21] a watch that was killed is told, and there again by itself", async () => {
    await attached();
    await looks();
    expect(rig.unwatched()).toEqual([]);
    const first = watcher();
    process.kill(first, "SIGKILL");
    await rig.until("it is told", () => rig.unwatched().length > 0);
    expect(rig.unwatched()).toEqual([{ vm: "web", why: "it was ended, or stands still" }]);
    await rig.until("another one is there", () => watcher() > 0 && watcher() !== first);
    expect(rig.unwatched()).toEqual([]);
    put(topOf(0));
    await isTold();
  });

  test.each([
    ["is not there", undefined, /hf-watch.* is not there/u],
    ["may not see it", "#!/bin/sh\necho fanotify: not permitted >&2\nexit 1\n", /^fanotify: not permitted$/u],
    ["cannot be started", "no program", /hf-watch/u],
  ])(
    "[S21] where the program %s, copies are received and used all the same, and it is told why",
    async (_, text, why) => {
      await rig.close();
      const folder = mkdtempSync(join(tmpdir(), "hf-watch-"));
      const watch = join(folder, "watch");
      if (text !== undefined) writeFileSync(watch, text);
      if (text !== undefined) chmodSync(watch, 0o755);
      rig = await openRealReplicaPair({ watch });
      try {
        await attached();
        await write(0, 5, 55);
        await rig.until("it is told", () => rig.unwatched().length > 0);
        expect(rig.unwatched()).toMatchObject([{ vm: "web", why: expect.stringMatching(why) }]);
        await expectSame(await calls.copies());
        expect(rig.unwatched()).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
