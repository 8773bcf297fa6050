import fc from "fast-check";
import { expect, test } from "vitest";
import { paceOf } from "./move-pace.ts";

const kib = 1024;
const mib = 1024 * kib;

test("disks of a move share its bandwidth, and each sends half a second of its share at once", () => {
  const job = { speed: 512 * kib, granularity: 64 * kib, "buf-size": 256 * kib };
  expect(paceOf(1, 2)).toEqual({ job, restMs: 500, littleBytes: 512 * kib });
  expect(paceOf(10, 8).job).toEqual({ speed: 1.25 * mib, granularity: 64 * kib, "buf-size": 640 * kib });
});

test("one that has hardly any bandwidth sends a piece at a time, and its rest is as long as that explains", () => {
  const { job, restMs, littleBytes } = paceOf(1, 64);
  expect(littleBytes).toBe(128 * kib);
  expect(job["buf-size"]).toBe(64 * kib);
  expect(restMs).toBe(4_000);
});

test("what nothing bounds is left to QEMU, and a wide bandwidth gets no more than QEMU's own buffer", () => {
  expect(paceOf(null, 2)).toEqual({ job: {}, restMs: 0, littleBytes: 0 });
  expect(paceOf(1_000, 1).job["buf-size"]).toBe(16 * mib);
});

test("what all disks send at once is never more than half a second of the bandwidth, or a piece of each", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 32 }), (limit, disks) => {
      const { job, restMs } = paceOf(limit, disks);
      const buffer = job["buf-size"] ?? 0;
      expect(buffer % (64 * kib)).toBe(0);
      expect(disks * buffer).toBeLessThanOrEqual(Math.max((limit * mib) / 2, disks * 64 * kib));
      expect(disks * (job.speed ?? 0)).toBeLessThanOrEqual(limit * mib);
      expect(restMs).toBeLessThanOrEqual(Math.max(501, (disks * 64_000 * kib) / (limit * mib) + 1));
    }),
  );
});
