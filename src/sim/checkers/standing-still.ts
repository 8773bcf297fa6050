import { isWithoutDeadline, limits } from "../../core/limits.ts";
import type { Heartbeat } from "../../model/records.ts";
import type { GuardName } from "../../ports/guard.ts";
import { runKey } from "../world/copy.ts";
import type { SimHost } from "../world/host.ts";
import type { Life } from "../world/process.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

/** When a guard stamped, and until when that lets its level run. */
type Mark = { readonly at: number; readonly until: number; readonly deadlineMs: number };
type Stamp = Partial<Record<GuardName, Mark>>;
type Permit = {
  readonly incarnation: number;
  readonly at: number;
  readonly until: Readonly<Record<GuardName, number>>;
};

/** What a guard may be late by, freeze and verification included. */
const latenessMs = 400;
/** The clock's rate may have changed since the stamp. */
const deadlineSlackMs = 20;
/** Clocks count whole milliseconds. */
const roundingMs = 2;
/** All of a night: a member of the store that stood still for minutes may hand on what it had been sent before. */
const stampsKept = 2_500;

/**
 * S2, S3, S4, S5: an own reckoning of deadlines, from the moments of stamping and the commits in the store alone. A level thaws
 * only for a committed heartbeat of the registered incarnation whose stamp + D lies ahead; and nothing runs longer than
 * the last one permits; nothing is sent without both guards.
 */
export const deadlines: CheckerKind = {
  rule: "S2",
  make: (world, fail) => {
    const stamps = new Map<Life, Map<number, Stamp>>();
    const permits = new Map<SimHost, Permit>();
    return {
      stamped: (host, heart, guard, stamp) => {
        const known = stamps.get(heart) ?? new Map<number, Stamp>();
        stamps.set(heart, known);
        const at = world.scheduler.now;
        const deadlineMs = host.guardDeadlinesMs[guard];
        const mark = { at, until: at + deadlineMs / host.clock.rate + roundingMs, deadlineMs };
        const before = known.get(stamp);
        if (before !== undefined) before[guard] = mark;
        else known.set(stamp, { [guard]: mark });
        if (known.size > stampsKept) known.delete(known.keys().next().value as number);
      },
      beats: ({ name, value }, writer) => {
        if (name.kind !== "heartbeat" || value === undefined || writer === null) return;
        const { seq, deadlineMs } = value as Heartbeat;
        const { a, b } = stamps.get(writer.life)?.get(seq) ?? {};
        if (a === undefined || b === undefined)
          return fail(`${name.host} sent heartbeat ${seq} without both guards' stamps`);
        const enforcedMs = Math.max(a.deadlineMs, b.deadlineMs);
        if (deadlineMs < enforcedMs)
          fail(`${name.host} states a D of ${deadlineMs} ms; its guards enforce ${enforcedMs}`);
        const known = permits.get(writer.host);
        const before = known?.incarnation === name.incarnation ? known : undefined;
        // A guard that was restarted with a shorter D still holds what an earlier heartbeat gave it (S7).
        const until = { a: Math.max(a.until, before?.until.a ?? 0), b: Math.max(b.until, before?.until.b ?? 0) };
        permits.set(writer.host, { incarnation: name.incarnation, at: Math.max(a.at, b.at, before?.at ?? 0), until });
      },
      thawing: (host, guard) => {
        const permit = permits.get(host);
        if (permit === undefined || world.scheduler.now > permit.until[guard]) {
          fail(`guard ${guard} of ${host.id} thawed without a committed heartbeat whose deadline lies ahead`);
        } else checkFolders(host, permit, fail);
      },
      audit: () => {
        for (const host of world.hosts) {
          checkOverrun(world, host, permits.get(host), fail);
          checkDeadlines(world, host, permits.get(host), fail);
        }
      },
    };
  },
};

function checkFolders(host: SimHost, permit: Permit, fail: (text: string) => void): void {
  for (const [incarnation, folder] of host.tree.folders) {
    if (incarnation === permit.incarnation || folder.frozen || folder.runs.size === 0) continue;
    fail(`${host.id} thawed with the folder of incarnation ${incarnation} open; ${permit.incarnation} beats`);
  }
}

/** S3: no guard holds a deadline later than what a committed heartbeat of its incarnation gave it. */
function checkDeadlines(world: World, host: SimHost, permit: Permit | undefined, fail: (text: string) => void): void {
  // S23: of two hosts none holds a deadline; what a clock may drift in a year is no measure.
  if (!host.works || isWithoutDeadline(world.profile)) return;
  for (const [guard, file] of host.tree.files) {
    if (file.deadline === null) continue;
    const until = permit?.incarnation === file.incarnation ? permit.until[guard] : 0;
    const when = host.clock.when(file.deadline);
    const lateMs = Math.floor(when - until);
    // One that has passed is reckoned back at the present rate of the clock, which may not be the one that it ran at.
    const bentMs = Math.max(0, world.scheduler.now - when) * 2e-6 * limits.clockSlewPpmMax;
    if (lateMs > deadlineSlackMs + bentMs)
      fail(`guard ${guard} of ${host.id} holds a deadline ${lateMs} ms later than its heartbeats give`);
  }
}

function checkOverrun(world: World, host: SimHost, permit: Permit | undefined, fail: (text: string) => void): void {
  if (!host.works || host.tree.frozenLevels.size > 0 || host.copies.size === 0) return;
  // Guards of different D, in the midst of a change of it: the host has said the larger one (S7), and one guard may fail.
  const until = permit === undefined ? 0 : Math.max(permit.until.a, permit.until.b);
  if (world.scheduler.now <= until + latenessMs) return;
  const copy = [...host.copies.values()].find((one) => host.executes(one));
  const sinceMs = Math.floor(world.scheduler.now - (permit?.at ?? 0));
  if (copy !== undefined) {
    fail(`${runKey(copy.run)} runs on ${host.id} ${sinceMs} ms after its last committed heartbeat was stamped`);
  }
}

/** S6, S9: from the fence by silence on, and from D+M after any other, nothing of the fenced incarnation runs. */
export const fencedStandsStill: CheckerKind = {
  rule: "S6",
  make: (world, fail) => {
    const check = (): void => {
      if (world.truth.fences.size === 0) return;
      for (const host of world.hosts) {
        if (!host.works || host.tree.frozenLevels.size > 0) continue;
        for (const copy of host.copies.values()) {
          const fence = world.truth.fences.get(`${host.id}/${copy.run.incarnation}`);
          if (fence === undefined || !host.executes(copy)) continue;
          const waits = fence.record.cause === "silence" ? 0 : longestWaitMs(world, host);
          if (world.scheduler.now >= fence.at + waits)
            fail(`${runKey(copy.run)} runs on ${host.id} although it is fenced`);
        }
      }
    };
    return {
      levels: check,
      committed: ({ name }) => (name.kind === "fence" ? check() : undefined),
      starting: check,
      audit: check,
    };
  },
};

/** D+M of the cluster's profile or of what the host's own guards enforce, whichever is longer (S7). */
function longestWaitMs(world: World, host: SimHost): number {
  const { deadlineMs, marginMs } = world.profile;
  return (
    Math.max(deadlineMs, host.guardDeadlinesMs.a, host.guardDeadlinesMs.b) + Math.max(marginMs, host.timing.marginMs)
  );
}
