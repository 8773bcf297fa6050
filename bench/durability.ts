import { randomBytes } from "node:crypto";
import { labLocalPool } from "../lab/cluster.ts";
import { type SeededRandom, seededRandom } from "../src/base/random.ts";
import { openTestLab } from "../test/support/lab-cluster.ts";
import { closers, printRow, runAsCommand } from "./bench-run.ts";
import { type Fault, faults } from "./durability/faults.ts";
import { openLoad } from "./durability/load.ts";
import { help, type Options, parseOptions } from "./durability/options.ts";
import { durabilityRow, type Trial } from "./durability/row.ts";
import { type Rig, runTrial } from "./durability/trial.ts";

const group = "bench";

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function openRig(random: SeededRandom): Promise<Rig> {
  const lab = await openTestLab(false, "pair");
  closers.push(() => lab.close());
  // Hosts are lost again and again here, and QEMUs killed: neither is what is measured.
  await lab.client().policy.set({ quarantine: { losses: 0 } });
  const vm = await lab.guest("web", 50, null, labLocalPool);
  await lab.client().vm.set({ vm: vm.id, maxRestart: 100 });
  await lab.client().group.create({ group, from: "h1", to: "h2", vms: [vm.name] });
  const load = openLoad(lab.world.reach, vm.address);
  closers.push(() => load.stop());
  await load.goesOn();
  return { lab, vm, load, group, random };
}

/** Returns the exit code: 1 where a write was lost or a VM ran twice. */
async function runBench({ trials, only, seed: given, json }: Options): Promise<number> {
  const seed = given ?? randomBytes(4).toString("hex");
  log(`Seed ${seed}`);
  const random = seededRandom(seed);
  const rig = await openRig(random.for("moments"));
  const ended: Trial[] = [];
  for (const fault of kindsOf(trials, only, random.for("kinds"))) {
    const began = performance.now();
    const { told, ...trial } = await runTrial(rig, fault);
    ended.push(trial);
    const seconds = Math.round((performance.now() - began) / 1000);
    log(`trial ${ended.length}, ${fault} (${seconds} s): ${told}; lost ${trial.lost}, double runs ${trial.doubleRuns}`);
  }
  const acknowledged = [...rig.load.acknowledged.values()].reduce((sum, numbers) => sum + numbers.length, 0);
  const row = durabilityRow(ended, acknowledged, seed);
  printRow(row, json);
  return row.lost === 0 && row.doubleRuns === 0 ? 0 : 1;
}

/** Each kind once, in a random order, and then anew: none is left out by chance. */
function* kindsOf(trials: number, only: Fault | null, random: SeededRandom): Iterable<Fault> {
  let bag: Fault[] = [];
  for (let n = 0; n < trials; n++) {
    if (bag.length === 0) bag = only === null ? [...faults] : [only];
    const fault = random.pick(bag);
    bag = bag.filter((one) => one !== fault);
    yield fault;
  }
}

await runAsCommand(help, (args) => runBench(parseOptions(args)));
