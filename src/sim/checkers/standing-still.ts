import type { Heartbeat } from "../../model/records.ts";
import type { GuardName } from "../../ports/guard.ts";
import { runKey } from "../world/copy.ts";
import type { SimHost } from "../world/host.ts";
import type { Life } from "../world/process.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

type Stamp = { readonly heart: Life; readonly stamp: number; readonly at: Partial<Record<GuardName, number>> };
type Permit = { readonly incarnation: number; readonly at: Readonly<Record<GuardName, number>> };

/** What a guard may be late by, freeze and verification included. */
const latenessMs = 400;
const stampsKept = 400;

/**
 * S2, S3, S4, S5: an own reckoning of deadlines, from the moments of stamping and the commits in the store alone. A level thaws
 * only for a committed heartbeat of the registered incarnation whose stamp + D lies ahead; and nothing runs longer than
 * the last one permits; nothing is sent without both guards.
 */
export const deadlines: CheckerKind = {
  rule: "S2",
  make: (world, fail) => {
    const stamps = new Map<SimHost, Stamp[]>();
    const permits = new Map<SimHost, Permit>();
    const untilOf = (permit: Permit, guard: GuardName, host: SimHost): number =>
      permit.at[guard] + world.profileOf(host).deadlineMs / host.clock.rate + 2;
    return {
      stamped: (host, heart, guard, stamp) => {
        const list = stamps.get(host) ?? [];
        stamps.set(host, list);
        const known = list.findLast((one) => one.heart === heart && one.stamp === stamp);
        if (known !== undefined) known.at[guard] = world.scheduler.now;
        else list.push({ heart, stamp, at: { [guard]: world.scheduler.now } });
        if (list.length > 2 * stampsKept) list.splice(0, stampsKept);
      },
      committed: ({ name, value }, writer) => {
        if (name.kind !== "heartbeat" || value === undefined || writer === null) return;
        const { seq } = value as Heartbeat;
        const found = stamps.get(writer.host)?.findLast((one) => one.heart === writer.life && one.stamp === seq);
        const { a, b } = found?.at ?? {};
        if (a === undefined || b === undefined)
          return fail(`${name.host} sent heartbeat ${seq} without both guards' stamps`);
        const before = permits.get(writer.host);
        const isLater =
          before === undefined ||
          before.incarnation !== name.incarnation ||
          Math.min(a, b) >= Math.min(before.at.a, before.at.b);
        if (isLater) permits.set(writer.host, { incarnation: name.incarnation, at: { a, b } });
      },
      levels: (host, before, after) => {
        for (const guard of before) {
          if (after.has(guard)) continue;
          const permit = permits.get(host);
          const now = world.scheduler.now;
          if (permit === undefined || now > untilOf(permit, guard, host)) {
            fail(`guard ${guard} of ${host.id} thawed without a committed heartbeat whose deadline lies ahead`);
          } else checkFolders(host, permit, fail);
        }
      },
      audit: () => {
        for (const host of world.hosts) checkOverrun(world, host, permits.get(host), fail);
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

function checkOverrun(world: World, host: SimHost, permit: Permit | undefined, fail: (text: string) => void): void {
  if (!host.works || host.tree.frozenLevels.size > 0 || host.copies.size === 0) return;
  const last = permit === undefined ? 0 : Math.min(permit.at.a, permit.at.b);
  const until = last + world.profileOf(host).deadlineMs / host.clock.rate + latenessMs;
  if (world.scheduler.now <= until) return;
  const copy = [...host.copies.values()].find((one) => host.executes(one));
  const sinceMs = Math.floor(world.scheduler.now - last);
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
          const waits = fence.record.cause === "silence" ? 0 : world.profile.deadlineMs + world.profile.marginMs;
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
