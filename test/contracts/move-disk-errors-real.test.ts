import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import { render } from "../../src/model/messages/index.ts";
import type { HypervisorEnd, RunningVm } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd, OutgoingRequest } from "../../src/ports/migration.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealLocalPair } from "./real-local-pair.ts";
import type { RealRigOptions } from "./real-rig.ts";

// Real QEMUs whose own disks fail under them: a layer of QEMU's own (blkdebug) answers for one sector as a broken disk does.

const limit = { timeout: 180_000 };
const copied = [0, 1];
/** So many of the second disk's 24 MiB are copied before the bad one comes. */
const slowMiBps = 4;
const mebibyte = 1024 * 1024;
const sectorsPerMiB = 2048;
/** Its sector holds the record of that number and the guest comes to it after some seconds: the first sector is no record. */
const badRecord = 250;

/** Of the whole, in the copy of its disks: late, for the waits between two attempts to let it go on grow. */
const fillAtPercent = 20;

let folder: string;
let rig: Awaited<ReturnType<typeof openRealLocalPair>>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-bad-disk-"));
});
afterEach(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

type Bad = { readonly disk: number; readonly sector: number; readonly fails: "read" | "write" };

function withBadDisk({ disk, sector, fails }: Bad): { binary: string } {
  const error = { event: "none", iotype: fails, errno: 5, sector, once: false, immediately: true };
  const layer = JSON.stringify({ driver: "blkdebug", "inject-error": [error] }).slice(0, -1);
  const named = `*'"node-name":"disk${disk}"'*`;
  const change = `s|"file":{\\(.*"no-flush":false}\\)},"discard"|"file":${layer},"image":{\\1}},"discard"|`;
  const script = [
    "#!/bin/sh",
    `for a in "$@"; do shift; case "$a" in ${named}) a=$(printf '%s' "$a" | sed '${change}');; esac; set -- "$@" "$a"; done`,
    'exec qemu-system-x86_64 "$@"',
  ];
  const binary = join(folder, "qemu");
  writeFileSync(binary, `${script.join("\n")}\n`, { mode: 0o755 });
  return { binary };
}

type On = "source" | "target";
type Driver = (typeof rig)["source"]["hypervisor"];
const call = (on: On, act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig[on].end<HypervisorEnd>((end) => act(rig[on].hypervisor, end));
const list = () => rig.source.end<readonly RunningVm[]>((end) => rig.source.hypervisor.list(end));

async function open(source: RealRigOptions, target: RealRigOptions = {}): Promise<OutgoingRequest> {
  rig = await openRealLocalPair({ source, target });
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call("source", (driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works("source");
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [rig.address], tls: false, copied };
  const end = await rig.target.end<IncomingEnd>((over) => rig.target.hypervisor.prepareIncoming(wanted, over));
  const doors = end.kind === "waiting" ? end.doors : [];
  return { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: slowMiBps, downtimeMs: 300, copied };
}

async function works(on: On): Promise<void> {
  const before = rig.written(on) ?? 0;
  await rig[on].until("the guest works", () => (rig.written(on) ?? 0) > before + 1);
}

/** To the last byte. */
function fill(path: string): void {
  const file = openSync(path, "w");
  const page = Buffer.alloc(4096, 1);
  try {
    for (;;) writeSync(file, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

const progress = () => rig.source.moves.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));
const migrateOut = (out: OutgoingRequest) => call("source", (driver, end) => driver.migrateOut(here, out, end));

test(
  "[S15] its own disk cannot be read in mid-copy: broken off with which one, and the guest has not stood still",
  limit,
  async () => {
    const out = await open(withBadDisk({ disk: 1, sector: 16 * sectorsPerMiB, fails: "read" }));
    const end = await migrateOut(out);
    const params = { vm: here.vm, disk: 2, detail: "Input/output error" };
    expect(end).toEqual({ kind: "refused", code: "move-disk-unreadable", params });
    const told = render("move-disk-unreadable", params);
    expect(told.cause).toMatch(/^Disk 2 of VM web, .+ could not be read while it was copied: Input\/output error\.$/u);
    expect(progress().some(({ percent }) => percent > 0)).toBe(true);
    expect(progress().every(({ guest, waitsForDisk }) => guest === "runs" && waitsForDisk !== true)).toBe(true);
    expect(await list()).toEqual([{ run: here, state: "running", adopted: true }]);
    expect(rig.source.events).toEqual([]);
    await works("source");
    // Nothing of the copy is left in its way: the next attempt gets as far.
    expect(await call("target", (driver, over) => driver.abandonIncoming(there, over))).toEqual(done);
  },
);

test(
  "[S15] the guest's own write fails in mid-copy: it stands, is told to, and repeats the write where it arrives",
  limit,
  async () => {
    const out = await open(withBadDisk({ disk: 0, sector: badRecord, fails: "write" }));
    expect(await migrateOut(out)).toEqual(done);
    expect(progress().some(({ guest, waitsForDisk }) => guest === "runs" && waitsForDisk === true)).toBe(true);
    expect(rig.written("source")).toBe(badRecord - 1);
    expect(rig.written("target")).toBe(badRecord - 1);
    expect(await call("source", (driver, over) => driver.switchOver(here, over))).toEqual(done);
    expect(await call("target", (driver, over) => driver.completeIncoming(there, 20_000, over))).toEqual(done);
    await works("target");
  },
);

test(
  "[S15] the guest's own write fails in mid-copy, and the move is called off: it stands where it was, told, and tried again",
  limit,
  async () => {
    const out = await open(withBadDisk({ disk: 0, sector: badRecord, fails: "write" }));
    const ends: HypervisorEnd[] = [];
    rig.source.hypervisor.migrateOut(here, out, (end) => ends.push(end));
    await rig.source.until("its disk has failed", () => progress().some(({ waitsForDisk }) => waitsForDisk === true));
    expect(await call("source", (driver, end) => driver.cancelOut(here, end))).toEqual(done);
    expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
    const paused = () => rig.source.events.filter((event) => event.kind === "paused" && event.by === "storage-error");
    // Once while it was copied, when nobody listens, and once when that was over.
    await rig.source.until("it is told", () => paused().length > 1);
    expect(await list()).toEqual([{ run: here, state: "paused", adopted: true }]);
    expect(rig.written("source")).toBe(badRecord - 1);
  },
);

test(
  "[S15] its disk works again while it stands to have its memory copied: it is not let go on, and goes on where it arrives",
  limit,
  async () => {
    const pool = join(folder, "pool");
    const filler = join(pool, "filler");
    mkdirSync(pool);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", pool]).status).toBe(0);
    try {
      const out = await open({ poolFolder: pool });
      const ends: HypervisorEnd[] = [];
      rig.source.hypervisor.migrateOut(here, out, (end) => ends.push(end));
      await rig.source.until("its disks are copied", () => progress().some(({ percent }) => percent >= fillAtPercent));
      fill(filler);
      await rig.source.until("its disk has failed", () => progress().some(({ waitsForDisk }) => waitsForDisk === true));
      await rig.source.until("it is stopped for its move", () => progress().at(-1)?.guest === "stopped");
      const written = rig.written("source");
      expect(ends).toEqual([]);
      rmSync(filler);
      await rig.source.until("its memory is copied", () => ends.length > 0);
      expect(ends).toEqual([done]);
      // One that went on for a moment would have written: there is room.
      expect(rig.written("source")).toBe(written);
      expect(await call("source", (driver, over) => driver.switchOver(here, over))).toEqual(done);
      expect(await call("target", (driver, over) => driver.completeIncoming(there, 20_000, over))).toEqual(done);
      await works("target");
      expect(rig.written("source")).toBe(written);
    } finally {
      await rig.source.close();
      spawnSync("umount", ["-l", pool]);
    }
  },
);

test(
  "[S15] the target's pool fills up in mid-copy: broken off with that, and the guest has not stood still",
  limit,
  async () => {
    const pool = join(folder, "pool");
    mkdirSync(pool);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", pool]).status).toBe(0);
    try {
      const out = await open({}, { poolFolder: pool });
      writeFileSync(join(pool, "somebody-elses"), Buffer.alloc(30 * mebibyte, 1));
      const end = await migrateOut(out);
      expect(end).toMatchObject({ kind: "refused", code: "move-broke-off" });
      expect(JSON.stringify(end)).toContain("the target's pool has no room left for its disks");
      expect(await list()).toEqual([{ run: here, state: "running", adopted: true }]);
      await works("source");
    } finally {
      await rig.target.close();
      spawnSync("umount", ["-l", pool]);
    }
  },
);
