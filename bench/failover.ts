import { randomBytes } from "node:crypto";
import { describeError } from "../lab/lab-error.ts";
import { seededRandom } from "../src/base/random.ts";
import { profiles } from "../src/core/limits.ts";
import { closers, printRow, runAsCommand } from "./bench-run.ts";
import { type BenchLab, openBenchLab, waitUntilReady } from "./failover/bench-lab.ts";
import type { FailoverFault } from "./failover/fault-kinds.ts";
import { measureIdle } from "./failover/idle.ts";
import { help, type Options, parseOptions } from "./failover/options.ts";
import { runOutage } from "./failover/outage.ts";
import { failoverRow, type OutageEnd, outageRow, type TrialEnd } from "./failover/rows.ts";
import { runTrial } from "./failover/trial.ts";

const started = performance.now();
function log(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
  process.stderr.write(`${seconds}  ${line}\n`);
}

/** Ends the lab that is open at this moment. */
let closeLab: () => Promise<void> = async () => undefined;
closers.push(() => closeLab());

/** The lab of the trials. One that did not become whole again is given up: the next trial gets a new one. */
function labOf(options: Options) {
  let lab: BenchLab | undefined;
  return {
    get: async (): Promise<BenchLab> => {
      if (lab !== undefined) return lab;
      log(`Starting ${options.hosts} hosts …`);
      const opened = await openBenchLab(options, log, (close) => {
        closeLab = close;
      });
      await opened.ensureVms(1);
      await waitUntilReady(opened);
      lab = opened;
      return opened;
    },
    giveUp: async (): Promise<void> => {
      lab = undefined;
      await closeLab();
      closeLab = async () => undefined;
    },
  };
}

type Labs = ReturnType<typeof labOf>;

/** A trial that does not come to an end is a failed one; it is never dropped. */
async function runOrFail<End>(labs: Labs, failed: End, trial: (lab: BenchLab) => Promise<End>): Promise<End> {
  const lab = await labs.get();
  try {
    return await trial(lab);
  } catch (error) {
    log(`FAILED: ${describeError(error)}`);
    await labs.giveUp();
    return failed;
  }
}

const nothing = { lostAcknowledgedWrites: 0, doubleRuns: 0 };

async function measureFailover(labs: Labs, fault: FailoverFault, options: Options, seed: string) {
  const ends: TrialEnd[] = [];
  for (let round = 0; round < options.trials; round++) {
    const random = seededRandom(`${seed}/${fault}/${round}`);
    const { heartbeatMs } = profiles[options.profile];
    const plan = { fault, round, heartbeatMs, random, log };
    ends.push(await runOrFail<TrialEnd>(labs, { ...nothing, times: undefined }, (lab) => runTrial(lab, plan)));
  }
  const { hosts, profile } = options;
  return { row: failoverRow(fault, ends, { hosts, profile }), good: ends.every(isGood) };
}

async function measureOutage(labs: Labs, options: Options, seed: string) {
  const ends: OutageEnd[] = [];
  const failed = { ...nothing, pauseMs: undefined, fencings: 0, kills: 0 };
  for (let round = 0; round < options.trials; round++) {
    const random = seededRandom(`${seed}/network-outage/${round}`);
    const { heartbeatMs } = profiles[options.profile];
    const plan = { round, outageMs: options.outageMs, heartbeatMs, random, log };
    ends.push(await runOrFail<OutageEnd>(labs, failed, (lab) => runOutage(lab, plan)));
  }
  const clean = ends.every((outage) => outage.pauseMs !== undefined && isUnharmed(outage));
  return { row: outageRow(ends), good: clean };
}

const isUnharmed = (tally: typeof nothing): boolean => tally.lostAcknowledgedWrites === 0 && tally.doubleRuns === 0;
const isGood = (trial: TrialEnd): boolean => trial.times !== undefined && isUnharmed(trial);

/** Returns the exit code: 1 where a trial failed, a write was lost or a VM ran twice. */
async function runBench(options: Options): Promise<number> {
  const seed = options.seed ?? randomBytes(4).toString("hex");
  log(`Seed ${seed}, started at ${new Date().toISOString()}`);
  const labs = labOf(options);
  let good = true;
  for (const fault of options.faults) {
    const measured =
      fault === "network-outage"
        ? await measureOutage(labs, options, seed)
        : await measureFailover(labs, fault, options, seed);
    good &&= measured.good;
    printRow(measured.row, options.json);
  }
  if (options.idle) printRow(await measureIdle(await labs.get()), options.json);
  return good ? 0 : 1;
}

await runAsCommand(help, (args) => runBench(parseOptions(args)));
