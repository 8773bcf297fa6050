import type { LinkFigures } from "../ports/replication.ts";

/** Of an availability link: beneath it, each write is felt. */
export const linkNeeds = { latencyMs: 1, mbitPerSecond: 50 } as const;
/** A link that fell short is well again only so far beyond what is needed: otherwise a warning comes and goes. */
const clearly = 1.25;

export function mbitOf(mibPerSecond: number): number {
  return Math.round((mibPerSecond * 1024 * 1024 * 8) / 1_000_000);
}

/** What is recorded of a link, by what was recorded before: it is written for people, so that a little more or less is the same. */
export function figuresToRecord(before: LinkFigures | undefined, now: LinkFigures): LinkFigures {
  if (before === undefined) return now;
  const latencyMs = isStillLate(before.latencyMs, now.latencyMs) ? before.latencyMs : now.latencyMs;
  const mibPerSecond = isStillSlow(before.mibPerSecond, now.mibPerSecond) ? before.mibPerSecond : now.mibPerSecond;
  const isSame = isClose(before.latencyMs, latencyMs) && isClose(before.mibPerSecond, mibPerSecond);
  return isSame ? before : { latencyMs, mibPerSecond };
}

function isStillLate(before: number | null, now: number | null): boolean {
  if (before === null || now === null || before <= linkNeeds.latencyMs) return false;
  return now <= linkNeeds.latencyMs && now * clearly > linkNeeds.latencyMs;
}

function isStillSlow(before: number | null, now: number | null): boolean {
  if (before === null || now === null || mbitOf(before) >= linkNeeds.mbitPerSecond) return false;
  return mbitOf(now) >= linkNeeds.mbitPerSecond && mbitOf(now) < linkNeeds.mbitPerSecond * clearly;
}

function isClose(one: number | null, other: number | null): boolean {
  return one === null || other === null ? one === other : Math.abs(one - other) <= Math.max(0.1, other / 4);
}
