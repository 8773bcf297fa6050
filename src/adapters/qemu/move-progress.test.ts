import fc from "fast-check";
import { expect, test } from "vitest";
import { diskProgress, isTimeToStop, progressOf, stillWatch } from "./move-progress.ts";
import { type MigrateInfo, whatBroke, whatEndedCopy, whatStalled } from "./move-qmp.ts";

const mib = 1024 * 1024;
/** 839 megabits a second are 100 MiB. */
const info = (remainingMiB: number, mbps = 839, passes = 1, totalMiB = 100): MigrateInfo => ({
  status: "active",
  "expected-downtime": 42,
  ram: {
    total: totalMiB * mib,
    remaining: remainingMiB * mib,
    transferred: 0,
    mbps,
    "dirty-sync-count": passes,
  },
});
const runs = { link: "10.0.1.2", guest: "runs", stoodMs: 0, percent: 0, stillMs: 0, limit: null } as const;
const stopped = { ...runs, guest: "stopped", stoodMs: 250 } as const;

test("percent, speed and rest as people read them; a stopped guest's downtime is what it stood and what is to come", () => {
  expect(progressOf(info(25), stopped)).toEqual({
    percent: 75,
    mibPerSecond: 100,
    remainingMiB: 25,
    expectedDowntimeMs: 500,
    link: "10.0.1.2",
    guest: "stopped",
  });
  expect(progressOf(info(25), runs)).toMatchObject({ expectedDowntimeMs: 42, guest: "runs" });
});

test("what is not known yet is not made up", () => {
  expect(progressOf({ status: "setup" }, runs)).toMatchObject({ percent: 0, expectedDowntimeMs: null });
  expect(progressOf(info(100, 0), stopped)).toMatchObject({ percent: 0, mibPerSecond: 0, expectedDowntimeMs: null });
});

test("percent never falls, and is 100 only at the end", () => {
  const rest = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.array(rest, { minLength: 1 }), (rests) => {
      let percent = 0;
      for (const remaining of rests) {
        const next = progressOf(info(remaining), { ...runs, percent }).percent;
        expect(next).toBeGreaterThanOrEqual(percent);
        expect(next).toBeLessThan(100);
        percent = next;
      }
    }),
  );
});

test("a speed is never told above the limit: the first figures of QEMU are", () => {
  expect(progressOf(info(50), { ...stopped, limit: 5 })).toMatchObject({ mibPerSecond: 5, expectedDowntimeMs: 10_250 });
  expect(progressOf(info(50), { ...stopped, limit: 200 })).toMatchObject({ mibPerSecond: 100 });
});

test("nor while disks are copied: what an image holds nothing of is done at once, and the standstill is told by the limit", () => {
  const course = { beganAt: 0, percent: 0, memoryBytes: 100 * mib, stopsFirst: true, limit: 5 };
  const copy = { doneBytes: 150 * mib, leftBytes: 150 * mib, stillMs: 0 };
  expect(diskProgress(copy, course, "", 1_500)).toMatchObject({ mibPerSecond: 5, expectedDowntimeMs: 20_000 });
  expect(diskProgress(copy, course, "", 60_000)).toMatchObject({ mibPerSecond: 3 });
});

test("what does not get through is told as that, and no time that it would take", () => {
  const still = { mibPerSecond: 0, expectedDowntimeMs: null, stuck: true };
  expect(progressOf(info(25), { ...stopped, stillMs: 3_000 })).toMatchObject({
    ...still,
    percent: 75,
    remainingMiB: 25,
  });
  expect(progressOf(info(25), { ...runs, stillMs: 3_000 })).toMatchObject(still);
  expect(progressOf(info(25), { ...runs, stillMs: 2_999 })).not.toHaveProperty("stuck");
  const course = { beganAt: 0, percent: 0, memoryBytes: 100 * mib, stopsFirst: true, limit: null };
  const copy = { doneBytes: 150 * mib, leftBytes: 150 * mib };
  expect(diskProgress({ ...copy, stillMs: 3_000 }, course, "", 1_500)).toMatchObject({ ...still, percent: 37 });
  expect(diskProgress({ ...copy, stillMs: 2_999 }, course, "", 1_500)).not.toHaveProperty("stuck");
});

test("still is what does not move between two looks, and time in which nobody could look counts little", () => {
  const stillOf = stillWatch(500);
  expect([stillOf(0, 1_000), stillOf(0, 1_250), stillOf(0, 60_000), stillOf(0, 60_250)]).toEqual([0, 250, 750, 1_000]);
  expect([stillOf(1, 60_500), stillOf(1, 60_600)]).toEqual([0, 100]);
  const bounded = stillWatch(500, 400);
  expect([bounded(0, 0), bounded(0, 400), bounded(0, 500), bounded(1, 600), bounded(1, 900)]).toEqual([
    0, 0, 100, 0, 0,
  ]);
  expect(whatStalled("10.0.1.2", 10_240)).toBe(
    "nothing has got through to 10.0.1.2 for 10 s: the link is cut, or the target stands still",
  );
});

test("[S15] a running guest is stopped once the rest fits the downtime, but not in the first pass", () => {
  expect(isTimeToStop(info(10, 839, 1), 300)).toBe(false);
  expect(isTimeToStop(info(29, 839, 2), 300)).toBe(true);
  expect(isTimeToStop(info(31, 839, 2), 300)).toBe(false);
  expect(isTimeToStop(info(0, 0, 2), 300)).toBe(false);
  expect(isTimeToStop({ status: "active" }, 300)).toBe(false);
});

test("disks that go along and the memory that follows are one piece of work; what is told never falls between them", () => {
  const course = { beganAt: 0, percent: 0, memoryBytes: 100 * mib, stopsFirst: false, limit: null };
  const told = diskProgress({ doneBytes: 150 * mib, leftBytes: 150 * mib, stillMs: 0 }, course, "10.0.1.2", 1_500);
  expect(told).toEqual({
    percent: 37,
    mibPerSecond: 100,
    remainingMiB: 250,
    expectedDowntimeMs: null,
    link: "10.0.1.2",
    guest: "runs",
  });
  const stops = { ...course, stopsFirst: true };
  const half = { doneBytes: 150 * mib, leftBytes: 150 * mib, stillMs: 0 };
  expect(diskProgress(half, stops, "", 1_500).expectedDowntimeMs).toBe(1_000);
  expect(diskProgress({ doneBytes: 0, leftBytes: 0, stillMs: 0 }, stops, "", 1).expectedDowntimeMs).toBe(null);
  expect(diskProgress({ doneBytes: 0, leftBytes: 0, stillMs: 0 }, { ...course, percent: 40 }, "", 1).percent).toBe(40);
  expect(progressOf(info(100), { ...stopped, percent: 75, from: 75 }).percent).toBe(75);
  expect(progressOf(info(50), { ...stopped, percent: 75, from: 75 }).percent).toBe(87);
});

test("a connection that has lost its other end is told as that, with QEMU's words beside it; what else QEMU says stands", () => {
  const gone = /^the connection to the target ended: .+ \(QEMU says: /u;
  expect(whatBroke("Cannot write to TLS channel: Input/output error")).toMatch(gone);
  expect(whatBroke("Unable to write to socket: Broken pipe")).toMatch(gone);
  expect(whatBroke("State blocked by non-migratable device")).toBe("State blocked by non-migratable device");
  expect(whatBroke("Unable to read from socket: Connection reset by peer")).toMatch(gone);
  expect(whatBroke("Failed to connect to '10.0.1.2:49152': Connection refused")).toMatch(gone);
  for (const certificate of [
    "Certificate does not match the hostname h2",
    "TLS handshake failed: Error in the certificate verification.",
    "Cannot read from TLS channel: A TLS fatal alert has been received.",
    "Unable to create server socket for TLS connection",
  ])
    expect(whatBroke(certificate)).toBe(certificate);
  for (const silent of [undefined, ""]) expect(whatBroke(silent)).toMatch(/does not say why: .+ or the link broke$/u);
});

test("a copy of a disk that ends with an input/output error: what failed is told as far as QEMU said it", () => {
  expect(whatEndedCopy("Input/output error")).toMatch(
    /^its own disk could not be read, or the connection to the target ended, or the target's storage failed \(QEMU says: /u,
  );
  expect(whatEndedCopy("Input/output error", "write")).toMatch(
    /^the connection to the target ended, or the target's storage failed \(QEMU says: /u,
  );
  expect(whatEndedCopy("No space left on device", "write")).toMatch(/^the target's pool has no room left /u);
  expect(whatEndedCopy("Broken pipe")).toMatch(/^the connection to the target ended: /u);
});
