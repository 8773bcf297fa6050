import { describeError } from "../lab/lab-error.ts";
import { onSignals } from "../lab/options.ts";
import { openByHand } from "./migration/by-hand.ts";
import { help, type Options, parseOptions } from "./migration/options.ts";
import { openOurs } from "./migration/ours.ts";
import { openRig } from "./migration/rig.ts";
import { type Move, sharedRow } from "./migration/row.ts";
import { type TickWatch, watchTicks } from "./migration/tick-watch.ts";

const bootLimitMs = 60_000;
/** A guest that was moved has to show this many records before its silence counts as over. */
const ticksAfter = 5;

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** What was opened, undone backwards, whatever ends the run. */
const closers: (() => Promise<void> | void)[] = [];
let ending = false;
async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  for (const close of closers.splice(0).reverse())
    await Promise.resolve(close()).catch((error: unknown) => log(describeError(error)));
  process.exit(code);
}

async function untilSeen(ticks: TickWatch, count: number): Promise<void> {
  const wanted = ticks.seen() + count;
  for (const giveUpAt = performance.now() + bootLimitMs; ticks.seen() < wanted; await pause()) {
    if (performance.now() > giveUpAt) throw new Error("The guest writes nothing");
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

async function measure(mover: { move(): Promise<number> }, ticks: TickWatch): Promise<Move> {
  await untilSeen(ticks, ticksAfter);
  ticks.takeGapMs();
  const totalMs = await mover.move();
  await untilSeen(ticks, ticksAfter);
  return { totalMs, downtimeMs: ticks.takeGapMs() };
}

async function runBench({ trials, memoryMiB, tls, json }: Options): Promise<void> {
  const rig = await openRig(memoryMiB);
  closers.push(() => rig.close());
  const hand = await openByHand(rig, "hand", tls);
  closers.push(() => hand.close());
  const port = await openOurs(rig, "port", tls);
  const watches = { port: watchTicks(rig.image("port")), hand: watchTicks(rig.image("hand")) };
  for (const watch of Object.values(watches)) {
    closers.push(() => watch.close());
    await untilSeen(watch, ticksAfter);
  }
  const ours: Move[] = [];
  const raw: Move[] = [];
  for (let trial = 0; trial < trials; trial++) {
    // Whoever comes first finds the machine as the other left it: in turns.
    const turns = [
      async () => void ours.push(await measure(port, watches.port)),
      async () => void raw.push(await measure(hand, watches.hand)),
    ];
    for (const turn of trial % 2 === 0 ? turns : turns.toReversed()) await turn();
    log(`trial ${trial + 1}: through the port ${describe(ours.at(-1))}, by hand ${describe(raw.at(-1))}`);
  }
  const row = sharedRow(ours, raw);
  process.stdout.write(`${json ? JSON.stringify(row) : describeRow(row)}\n`);
}

function describe(move: Move | undefined): string {
  return move === undefined ? "nothing" : `${Math.round(move.totalMs)} ms (${Math.round(move.downtimeMs)} ms down)`;
}

function describeRow(row: object): string {
  return Object.entries(row)
    .map(([name, value]) => `${name} ${value}`)
    .join("  ");
}

function fail(error: unknown): void {
  log(describeError(error));
  void end(1);
}

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) process.stdout.write(`${help}\n`);
else {
  onSignals((code) => void end(code));
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.stdout.on("error", () => void end(1));
  try {
    await runBench(parseOptions(args));
    await end(0);
  } catch (error) {
    fail(error);
  }
}
