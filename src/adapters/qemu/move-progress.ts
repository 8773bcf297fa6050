import type { MoveProgress } from "../../ports/migration.ts";
import type { MigrateInfo } from "./move-qmp.ts";

const mib = 1024 * 1024;

export type Course = {
  readonly link: string;
  readonly guest: MoveProgress["guest"];
  /** Since when the guest stands still; 0 while it runs. */
  readonly stoodMs: number;
  /** What was said last: percents never fall. */
  readonly percent: number;
  /** How far disks had come, where they were copied before the memory. */
  readonly from?: number;
  /** For how long nothing has got through. */
  readonly stillMs: number;
  /** MiB a second; null: none is set. */
  readonly limit: number | null;
};

/** A slow link brings a piece now and then: before that nobody is told that it brings nothing. */
const stuckMs = 3_000;

export type DiskCourse = {
  readonly beganAt: number;
  percent: number;
  memoryBytes: number;
  /** The guest is stopped once the disks are there: it stands for as long as its memory takes. */
  readonly stopsFirst: boolean;
  /** MiB a second; null: none is set. */
  readonly limit: number | null;
};

/** Of a guest whose disks are copied while it runs: they and its memory are one piece of work. */
export function diskProgress(
  {
    doneBytes,
    leftBytes,
    stillMs,
  }: { readonly doneBytes: number; readonly leftBytes: number; readonly stillMs: number },
  { beganAt, percent, memoryBytes, stopsFirst, limit }: DiskCourse,
  link: string,
  now: number,
): MoveProgress {
  const all = doneBytes + leftBytes + memoryBytes;
  const done = all === 0 ? 0 : Math.floor((100 * doneBytes) / all);
  const isStuck = stillMs >= stuckMs;
  // What its images hold nothing of is done without being sent, and makes the figure many times the limit.
  const most = limit === null ? Number.POSITIVE_INFINITY : (limit * mib) / 1_000;
  const bytesPerMs = isStuck ? 0 : Math.min(most, doneBytes / Math.max(1, now - beganAt));
  return {
    percent: Math.max(percent, Math.min(99, done)),
    mibPerSecond: Math.round((bytesPerMs / mib) * 1_000),
    remainingMiB: Math.ceil((leftBytes + memoryBytes) / mib),
    expectedDowntimeMs: stopsFirst && bytesPerMs > 0 ? Math.ceil(memoryBytes / bytesPerMs) : null,
    link,
    guest: "runs",
    ...(isStuck ? stuck : {}),
  };
}

/** What people are told. 100 % is kept for the end: a guest that runs makes new work until it stands still. */
export function progressOf(info: MigrateInfo, course: Course): MoveProgress {
  const { ram } = info;
  const { link, guest, stillMs } = course;
  if (ram === undefined || ram.total === 0)
    return { percent: course.percent, mibPerSecond: 0, remainingMiB: 0, expectedDowntimeMs: null, link, guest };
  const { from = 0, limit } = course;
  const done = from + Math.floor((100 - from) * (1 - ram.remaining / ram.total));
  const isStuck = stillMs >= stuckMs;
  const measured = isStuck ? 0 : mibPerSecondOf(ram.mbps);
  // What QEMU sends before it begins to count makes its first figures many times the limit.
  const mibPerSecond = limit === null ? measured : Math.min(limit, measured);
  const restMs = mibPerSecond > 0 ? Math.ceil((ram.remaining / mib / mibPerSecond) * 1_000) : null;
  const running = isStuck ? null : (info["expected-downtime"] ?? null);
  return {
    percent: Math.max(course.percent, Math.min(99, done)),
    mibPerSecond: Math.round(mibPerSecond),
    remainingMiB: Math.ceil(ram.remaining / mib),
    expectedDowntimeMs: guest === "stopped" ? addTo(course.stoodMs, restMs) : running,
    link,
    guest,
    ...(isStuck ? stuck : {}),
  };
}

const stuck = { stuck: true } as const;

/** QEMU speaks of millions of bits. */
function mibPerSecondOf(mbps: number): number {
  return (mbps * 1_000_000) / 8 / mib;
}

/** How long the rest takes at the speed of now; null: not known yet. */
function remainingMs({ ram }: MigrateInfo): number | null {
  if (ram === undefined || ram.mbps <= 0) return null;
  return Math.ceil((ram.remaining * 8) / (ram.mbps * 1_000));
}

function addTo(stoodMs: number, restMs: number | null): number | null {
  return restMs === null ? null : Math.round(stoodMs + restMs);
}

/**
 * Whether the guest is stopped now. Not in the first pass: what the guest wrote meanwhile is known only after it. By the
 * driver rather than by QEMU itself, so that it never goes on by itself where the hand-over fails (S15).
 */
export function isTimeToStop(info: MigrateInfo, downtimeMs: number): boolean {
  const restMs = remainingMs(info);
  return restMs !== null && (info.ram?.["dirty-sync-count"] ?? 0) >= 2 && restMs <= downtimeMs;
}

/**
 * For how long nothing has moved, counted only while QEMU answers: a frozen one is not at fault. `most`: of the time between
 * two looks no more counts than this. `restMs`: so long nothing moves because a bandwidth bounds it, which is no standstill.
 */
export function stillWatch(most: number, restMs = 0): (moved: number, now: number) => number {
  let before = -1;
  let stillMs = 0;
  let lookedAt: number | undefined;
  return (moved, now) => {
    stillMs = moved === before ? stillMs + Math.min(now - (lookedAt ?? now), most) : 0;
    before = moved;
    lookedAt = now;
    return Math.max(0, stillMs - restMs);
  };
}
