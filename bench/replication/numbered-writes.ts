import { setTimeout as sleep } from "node:timers/promises";
import type { NbdGuest } from "../../lab/guest/nbd-guest.ts";

/** As a bitmap has them: each write makes one of them dirty. */
export const blockBytes = 65_536;
export const blockCount = 512;
const everyMs = 5;

export type NumberedWrites = {
  /** `found`: the number in each block. When the first write that is missing there was acknowledged; undefined: none is. */
  readonly firstMissing: (found: readonly number[]) => number | undefined;
};

/** Writes 1, 2, 3 … one after another into the same blocks, over and over, until nobody answers any more. */
export function writeNumbered(guest: NbdGuest): NumberedWrites {
  const acknowledgedAt: number[] = [];
  const write = async (): Promise<void> => {
    const data = Buffer.alloc(4_096);
    for (let number = 1; ; number++) {
      data.writeBigUInt64BE(BigInt(number));
      if ((await guest.write((number % blockCount) * blockBytes, data)) !== 0) return;
      acknowledgedAt[number] = performance.now();
      await sleep(everyMs);
    }
  };
  void write();
  return {
    firstMissing: (found) => {
      // What `fill` left there is no number of ours.
      const numbers = found.map((number) => (number <= acknowledgedAt.length ? number : 0));
      const newest = Math.max(...numbers);
      for (let number = Math.max(1, newest - blockCount + 1); number <= newest; number++)
        if (numbers[number % blockCount] !== number)
          throw new Error(`The copy has write ${newest} and lacks write ${number}`);
      return acknowledgedAt[newest + 1];
    },
  };
}
