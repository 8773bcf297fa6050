import { closeSync, existsSync, openSync, readSync } from "node:fs";

const sector = 512;
/** Often enough beside ticks of 5 ms. */
const lookMs = 1;

export type TickWatch = {
  /** Records seen so far. */
  readonly seen: () => number;
  /** The longest time without a new record since the last call, the present silence included. */
  readonly takeGapMs: () => number;
  readonly close: () => void;
};

/**
 * Watches a guest's disk from outside: each record that it writes shows that it executes. `images`: where the disk may lie;
 * those that are not there now are looked for again.
 */
export function watchTicks(...images: readonly string[]): TickWatch {
  const head = Buffer.alloc(16);
  let next = 0;
  let lastAt = performance.now();
  let gapMs = 0;
  const isIn = (image: string): boolean => {
    if (!existsSync(image)) return false;
    const file = openSync(image, "r");
    const read = readSync(file, head, 0, head.length, (1 + next) * sector);
    closeSync(file);
    return read === head.length && head.toString("latin1", 0, 4) === "HFR1" && Number(head.readBigUInt64LE(8)) === next;
  };
  const isThere = (): boolean => images.some(isIn);
  const look = (): void => {
    if (!isThere()) return;
    while (isThere()) next++;
    const now = performance.now();
    gapMs = Math.max(gapMs, now - lastAt);
    lastAt = now;
  };
  const timer = setInterval(look, lookMs);
  return {
    seen: () => next,
    takeGapMs: () => {
      const gap = Math.max(gapMs, performance.now() - lastAt);
      gapMs = 0;
      return gap;
    },
    close: () => clearInterval(timer),
  };
}
