import { parseArgs } from "node:util";
import { describeError, LabError } from "../lab/lab-error.ts";
import { openByHand } from "./replication/by-hand.ts";
import { type Mirrored, type Row, rowOf, writeMs } from "./replication/measure.ts";
import { type Ours, openOurs } from "./replication/ours.ts";
import { openRig, type Rig, written } from "./replication/rig.ts";

const help = `Measures replication at the driver: through its port, and the same QMP sequence by hand, in turns.

  npm run --silent bench:replication -- [OPTIONS]

  --trials N    of the initial copy, of each (default 3); rows hold medians
  --size MIB    of the disk, half of which is full (default 512)
  --json        one JSON object per row on stdout: {"what","ours","raw","ratio"}; progress is on stderr either way

Copy: MiB a second, from the beginning of the job until it is confirmed that the copy has everything. Write: milliseconds of a
4 KiB write with its flush, the median, while in sync. Resync: MiB that were sent per what was written meanwhile, in whole
blocks of 64 KiB. Point: the longest write with its flush while a recovery point is taken; raw is what it may be. Memory: MiB of the relay that nobody shares, after all that; raw is what it may have.`;

const writes = 400;
const dirtyMiB = 32;
const relayMiBMax = 60;
/** Recovery points of each trial, and how long one may keep a write of the guest waiting. */
const points = 5;
const pointMsMax = 200;
const mebibyte = 1024 * 1024;

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  throw new LabError(`--${name} takes a whole number from ${least} up.`, "Nothing was measured.", "See --help.");
}

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

async function runBench(trials: number, sizeMiB: number, tell: (row: Row) => void): Promise<void> {
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

const flag = { type: "boolean", default: false } as const;
try {
  const { values } = parseArgs({
    options: {
      trials: { type: "string", default: "3" },
      size: { type: "string", default: "512" },
      json: flag,
      help: { ...flag, short: "h" },
    },
  });
  if (values.help) process.stdout.write(`${help}\n`);
  else
    await runBench(wholeNumber("trials", values.trials, 1), wholeNumber("size", values.size, 256), (row) =>
      process.stdout.write(
        values.json
          ? `${JSON.stringify(row)}\n`
          : `${row.what.padEnd(34)} ours ${row.ours}  raw ${row.raw}  ratio ${row.ratio}\n`,
      ),
    );
  process.exit(0);
} catch (error) {
  log(describeError(error));
  process.exit(1);
}
