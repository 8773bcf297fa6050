import { availableParallelism } from "node:os";
import { flag, onSignals, parseWords, runTool, text, textOr, wholeNumber } from "../lab/options.ts";
import { huntBySuite, type Suite } from "./mutants/by-suite.ts";
import { chosen, suiteNames } from "./mutants/chosen.ts";
import { Baseline, type Hunt, hunt } from "./mutants/hunt.ts";
import { closeAll } from "./mutants/leftovers.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { unplantable } from "./mutants/plant.ts";
import { planted } from "./mutants/planted.ts";
import { readFirstTrials, trialsFor, writeFirstTrials } from "./mutants/trials.ts";

// npm run --silent mutants -- --help

const usage = `usage: mutants [--json] [--only ID,ID] [--seeds N] [--record]
       mutants --guard [--json] [--only ID,ID]         bugs of the real guard, found by its contract suite (root, cgroup v2)
       mutants --replication [--json] [--only ID,ID]   bugs of what is recorded of replicas, found by its tests
       mutants --relay [--json] [--only ID,ID]         bugs of the relay and its driver, found by their contract suite (root)
       mutants --moves [--json] [--only ID,ID]         bugs of the driver of live moves, found by its contract suite (root)
Plants each bug of tools/mutants in a copy of the sources and plays seeds until a checker finds it. Only a checker, a
liveness bound or a scenario kills; crashes and time limits do not. --seeds: for each bug at most (200, the default);
the scenarios come after the first few. --record: writes down what found each bug, to be played first next time.
Exit code 0: every bug was found. 1: some survived, or the unmutated code is red. 2: a bug can no longer be planted.`;

const seedsMax = 200;
const nothing = "No bug was planted.";

/** As many at once as there are cores; results come as they end. */
async function huntAll(mutants: readonly Mutant[], max: number, tell: (hunt: Hunt) => void): Promise<void> {
  const baseline = new Baseline();
  const waiting = [...mutants];
  const one = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      tell(await hunt(next, trialsFor(next, max), baseline));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(mutants.length, availableParallelism()) }, one));
  } finally {
    baseline.close();
  }
}

/** One after the other: suites on real processes would measure each other. */
async function huntAllBySuite(suite: Suite, mutants: readonly Mutant[], tell: (hunt: Hunt) => void): Promise<void> {
  const { kill, crashes } = await huntBySuite(suite, null);
  if (kill !== null || crashes > 0)
    throw new Error(`Cannot judge: the code as it is fails, too: ${kill?.trial ?? "no report"}`);
  for (const mutant of mutants) tell({ mutant, ...(await huntBySuite(suite, mutant)) });
}

function rowOf({ mutant, kill, trials, crashes, red, seconds }: Hunt): Record<string, unknown> {
  const { id, rule, what } = mutant;
  return {
    id,
    rule,
    what,
    killedBy: kill?.by ?? null,
    trial: kill?.trial ?? null,
    text: kill?.text ?? null,
    trials,
    crashes,
    red,
    seconds,
  };
}

function lineOf({ mutant, kill, trials, crashes, seconds }: Hunt): string {
  const end = kill === null ? "SURVIVED" : `${kill.by} ${kill.trial}`;
  const after = `${trials} trials${crashes > 0 ? `, ${crashes} crashed` : ""}, ${seconds} s`;
  return `${mutant.rule.padEnd(4)} ${mutant.id.padEnd(40)} ${end.padEnd(24)} ${after}${kill === null ? "" : `: ${kill.text}`}`;
}

function record(hunts: readonly Hunt[]): void {
  const names = new Map(Object.entries(readFirstTrials()));
  for (const { mutant, kill } of hunts) if (kill !== null) names.set(mutant.id, kill.trial);
  const ids = new Set(planted.map(({ id }) => id));
  writeFirstTrials(new Map([...names].filter(([id]) => ids.has(id))));
}

async function main(): Promise<number> {
  const options = {
    ...{ json: flag, record: flag, guard: flag, replication: flag, relay: flag, moves: flag, help: flag },
    ...{ only: text, seeds: textOr(String(seedsMax)) },
  };
  const values = parseWords(process.argv.slice(2), options, nothing);
  const seeds = wholeNumber("seeds", values.seeds, { min: 1, max: seedsMax }, nothing);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const suite = suiteNames.find((one) => values[one]);
  const mutants = chosen(suite, values.only, nothing);
  const stale = unplantable(mutants);
  for (const line of stale) console.error(line);
  if (stale.length > 0) return 2;
  const begun = performance.now();
  const hunts: Hunt[] = [];
  const tell = (hunted: Hunt): void => {
    hunts.push(hunted);
    console.log(values.json ? JSON.stringify(rowOf(hunted)) : lineOf(hunted));
  };
  if (suite !== undefined) await huntAllBySuite(suite, mutants, tell);
  else await huntAll(mutants, seeds, tell);
  if (values.record && suite === undefined) record(hunts);
  const survivors = hunts.filter(({ kill }) => kill === null).map(({ mutant }) => mutant.id);
  const red = [...new Set(hunts.flatMap((hunted) => hunted.red))];
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(
    JSON.stringify({ planted: mutants.length, killed: mutants.length - survivors.length, survivors, red, seconds }),
  );
  return survivors.length + red.length === 0 ? 0 : 1;
}

let ending = false;
onSignals((code) => {
  if (ending) return;
  ending = true;
  void closeAll().finally(() => process.exit(code));
});
await runTool(main);
