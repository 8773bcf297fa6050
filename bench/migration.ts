import { randomBytes } from "node:crypto";
import { labLocalPool, labPool } from "../lab/cluster.ts";
import { seededRandom } from "../src/base/random.ts";
import { openTestLab } from "../test/support/lab-cluster.ts";
import { writeNumbers } from "../test/support/lab-writer.ts";
import { closers, printRow, runAsCommand } from "./bench-run.ts";
import { openByHand } from "./migration/by-hand.ts";
import { measureCgroupMs } from "./migration/cgroup-cost.ts";
import { evacuate } from "./migration/evacuation.ts";
import { measureMove, ticksAfter, untilSeen } from "./migration/measure.ts";
import { help, type Options, parseOptions } from "./migration/options.ts";
import { openOurs } from "./migration/ours.ts";
import { type MoveKind, openRig } from "./migration/rig.ts";
import { type Move, moveRow } from "./migration/row.ts";
import { watchTicks } from "./migration/tick-watch.ts";
import { moveUnderFaults } from "./migration/under-faults.ts";

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Returns the exit code: 1 where a write was lost, a VM ran twice, or a guest that was to move booted again. */
async function runBench(options: Options): Promise<number> {
  if (options.faults === null && options.evacuate === null) {
    for (const kind of options.kinds) await runTrials(kind, options);
    return 0;
  }
  const seed = options.seed ?? randomBytes(4).toString("hex");
  log(`Seed ${seed}`);
  const lab = await openTestLab();
  closers.push(() => lab.close());
  let good = true;
  if (options.faults !== null) {
    const vm = await lab.guest("web", 50, 100, isLocal(options) ? labLocalPool : labPool);
    const writer = writeNumbers(lab.world.reach, vm.address, "faults");
    closers.push(() => writer.stop());
    await writer.goesOn();
    const tally = await moveUnderFaults({ lab, vm, writer, random: seededRandom(seed), log }, options.faults);
    good &&= tally.doubleRuns === 0 && tally.lostWrites === 0;
    printRow(tally, options.json);
  }
  if (options.evacuate !== null) {
    const row = await evacuate(lab, options.evacuate, log);
    good &&= row.doubleRuns === 0 && row.lostWrites === 0 && row.restarted === 0;
    printRow(row, options.json);
  }
  return good ? 0 : 1;
}

/** Its disk lies on one host alone, and goes along. */
function isLocal({ kinds }: Options): boolean {
  return !kinds.includes("shared");
}

async function runTrials(kind: MoveKind, { trials, memoryMiB, tls, json }: Options): Promise<void> {
  const before = closers.length;
  const rig = await openRig(memoryMiB, kind);
  closers.push(() => rig.close());
  const hand = await openByHand(rig, "hand", tls);
  closers.push(() => hand.close());
  const port = await openOurs(rig, "port", tls);
  const watches = { port: watchTicks(...rig.images("port")), hand: watchTicks(...rig.images("hand")) };
  for (const watch of Object.values(watches)) {
    closers.push(() => watch.close());
    await untilSeen(watch, ticksAfter);
  }
  const cgroupMs = measureCgroupMs(rig.cgroup);
  const ours: Move[] = [];
  const raw: Move[] = [];
  for (let trial = 0; trial < trials; trial++) {
    // Whoever comes first finds the machine as the other left it: in turns.
    const turns = [
      async () => void ours.push(await measureMove(port, watches.port)),
      async () => void raw.push(await measureMove(hand, watches.hand)),
    ];
    for (const turn of trial % 2 === 0 ? turns : turns.toReversed()) await turn();
    log(`trial ${trial + 1}: through the port ${describe(ours.at(-1))}, by hand ${describe(raw.at(-1))}`);
  }
  printRow(moveRow(kind, ours, raw, cgroupMs), json);
  for (const close of closers.splice(before).reverse()) await close();
}

function describe(move: Move | undefined): string {
  return move === undefined ? "nothing" : `${Math.round(move.totalMs)} ms (${Math.round(move.downtimeMs)} ms down)`;
}

await runAsCommand(help, (args) => runBench(parseOptions(args)));
