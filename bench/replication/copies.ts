import { openByHand } from "./by-hand.ts";
import { type Mirrored, median, type Row, rowOf, writeMs } from "./measure.ts";
import type { Options } from "./options.ts";
import { type Ours, openOurs } from "./ours.ts";
import { openRig, type Rig, written } from "./rig.ts";

const writes = 400;
const dirtyMiB = 32;
const relayMiBMax = 60;
/** Recovery points of each trial, and how long one may keep a write of the guest waiting. */
const points = 5;
const pointMsMax = 200;
const mebibyte = 1024 * 1024;

async function withOne<T extends Mirrored>(
  open: (rig: Rig) => Promise<T>,
  sizeMiB: number,
  measure: (one: T, mibPerSecond: number) => Promise<void>,
): Promise<void> {
  const rig = openRig(sizeMiB);
  try {
    const one = await open(rig);
    try {
      await measure(one, sizeMiB / 2 / ((await one.copy()) / 1_000));
    } finally {
      await one.close();
    }
  } finally {
    rig.close();
  }
}

/** Milliseconds of the longest of the writes that are made while one point is taken. */
async function longestWriteMs(one: Ours, id: string): Promise<number> {
  let longest = 0;
  let taken = false;
  const taking = one.takePoint(id).finally(() => {
    taken = true;
  });
  while (!taken) longest = Math.max(longest, await writeMs(one.guest, 1));
  await taking;
  return longest;
}

/** Trials of the copy, and what is measured while it is in sync. */
export async function measureCopies(
  { trials, sizeMiB }: Options,
  log: (line: string) => void,
  tell: (row: Row) => void,
): Promise<void> {
  const found = {
    ours: { copy: [] as number[], write: [] as number[] },
    raw: { copy: [] as number[], write: [] as number[] },
  };
  let [sentMiB, relayMiB] = [0, 0];
  const pointMs: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const turns = [
      () =>
        withOne(openOurs, sizeMiB, async (one, speed) => {
          found.ours.copy.push(speed);
          found.ours.write.push(await writeMs(one.guest, writes));
          for (let n = 0; n < points; n++) pointMs.push(await longestWriteMs(one, `p${trial}-${n}`));
          const block = Buffer.alloc(mebibyte, 7);
          sentMiB = await one.resync(async () => {
            for (let at = 0; at < dirtyMiB; at++) await written(one.guest, at * 3 * mebibyte, block);
          });
          relayMiB = Math.max(relayMiB, one.relayMiB());
        }),
      () =>
        withOne(openByHand, sizeMiB, async (one, speed) => {
          found.raw.copy.push(speed);
          found.raw.write.push(await writeMs(one.guest, writes));
        }),
    ];
    // Whoever comes first finds the machine as the other left it: in turns.
    for (const turn of trial % 2 === 0 ? turns : turns.toReversed()) await turn();
    const last = ({ copy, write }: typeof found.ours): string =>
      `${Math.round(copy.at(-1) ?? 0)} MiB/s, write ${(write.at(-1) ?? 0).toFixed(2)} ms`;
    log(`trial ${trial + 1}: ours ${last(found.ours)}; by hand ${last(found.raw)}`);
  }
  tell(rowOf("initial copy, MiB/s", median(found.ours.copy), median(found.raw.copy)));
  tell(rowOf("write and flush in sync, ms p50", median(found.ours.write), median(found.raw.write)));
  tell(rowOf("resync, MiB sent by MiB dirty", sentMiB, dirtyMiB));
  tell(rowOf("longest write while a point is taken, ms by its limit", median(pointMs), pointMsMax));
  tell(rowOf("relay, private MiB by its limit", relayMiB, relayMiBMax));
}
