import { setTimeout as sleep } from "node:timers/promises";
import type { Move } from "./row.ts";
import type { TickWatch } from "./tick-watch.ts";

const bootLimitMs = 60_000;
/** A guest that was moved has to show this many records before its silence counts as over. */
export const ticksAfter = 5;

export async function untilSeen(ticks: TickWatch, count: number): Promise<void> {
  const wanted = ticks.seen() + count;
  for (const giveUpAt = performance.now() + bootLimitMs; ticks.seen() < wanted; await sleep(5)) {
    if (performance.now() > giveUpAt) throw new Error("The guest writes nothing");
  }
}

/** `move` says how many milliseconds it took; how long the guest stood is seen on its disk. */
export async function measureMove(mover: { move(): Promise<number> }, ticks: TickWatch): Promise<Move> {
  await untilSeen(ticks, ticksAfter);
  ticks.takeGapMs();
  const totalMs = await mover.move();
  await untilSeen(ticks, ticksAfter);
  return { totalMs, downtimeMs: ticks.takeGapMs() };
}
