import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { readFirstSeeds, trialsFor, writeFirstSeeds } from "./mutants/hints.ts";
import { Baseline, type Hunt, hunt } from "./mutants/hunt.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { unplantable } from "./mutants/plant.ts";
import { planted } from "./mutants/planted.ts";

// npm run --silent mutants -- --help

const usage = `usage: mutants [--json] [--only ID,ID] [--trials N] [--record]
Plants each bug of tools/mutants in a copy of the sources and plays seeds until a checker finds it. Only a checker, a
liveness bound or a scenario kills; crashes and time limits do not. --trials: seeds for each bug at most (200, the
default); --record: writes down the seed that found each, to be played first next time.
Exit code 0: every bug was found. 1: some survived, or the unmutated code is red. 2: a bug can no longer be planted.`;

const trialsMax = 200;

function chosen(only: string | undefined): readonly Mutant[] {
  if (only === undefined) return planted;
  const ids = only.split(",");
  const unknown = ids.filter((id) => !planted.some((mutant) => mutant.id === id));
  if (unknown.length > 0) throw new Error(`Cannot hunt ${unknown.join(", ")}: there is no such mutant`);
  return planted.filter((mutant) => ids.includes(mutant.id));
}

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
  const seeds = new Map(Object.entries(readFirstSeeds()));
  for (const { mutant, kill } of hunts) if (kill?.trial.startsWith("seed ")) seeds.set(mutant.id, kill.trial.slice(5));
  writeFirstSeeds(seeds);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      only: { type: "string" },
      trials: { type: "string", default: String(trialsMax) },
      record: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const mutants = chosen(values.only);
  const stale = unplantable(mutants);
  for (const text of stale) console.error(text);
  if (stale.length > 0) return 2;
  const begun = performance.now();
  const hunts: Hunt[] = [];
  await huntAll(mutants, Math.min(Number(values.trials), trialsMax), (hunted) => {
    hunts.push(hunted);
    console.log(values.json ? JSON.stringify(rowOf(hunted)) : lineOf(hunted));
  });
  if (values.record) record(hunts);
  const survivors = hunts.filter(({ kill }) => kill === null).map(({ mutant }) => mutant.id);
  const red = [...new Set(hunts.flatMap((hunted) => hunted.red))];
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(
    JSON.stringify({ planted: mutants.length, killed: mutants.length - survivors.length, survivors, red, seconds }),
  );
  return survivors.length + red.length === 0 ? 0 : 1;
}

process.exitCode = await main();
