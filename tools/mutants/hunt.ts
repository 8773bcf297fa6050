import type { SeedReport } from "../../src/sim/report.ts";
import { Arena } from "./arena.ts";
import type { Mutant } from "./mutant.ts";
import { nameOf, type Trial } from "./trial.ts";

export type Kill = { readonly by: string; readonly text: string; readonly trial: string };

/** What came of one mutant. */
export type Hunt = {
  readonly mutant: Mutant;
  /** Null: it survived. */
  readonly kill: Kill | null;
  readonly trials: number;
  /** Trials that ended by an assertion, an exception, a dead process or a time limit: no kills. */
  readonly crashes: number;
  /** Trials that the unmutated code fails as well: no kills, and the run is worth nothing. */
  readonly red: readonly string[];
  readonly seconds: number;
};

/** The unmutated code on the same trials, each once. */
export class Baseline {
  readonly #arena = new Arena(null);
  readonly #known = new Map<string, Promise<boolean>>();
  #last: Promise<unknown> = Promise.resolve();

  isGreen(trial: Trial): Promise<boolean> {
    const name = nameOf(trial);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const asked = this.#last.then(async () => {
      const end = await this.#arena.play(trial);
      return end.kind === "played" && end.report.failure === null;
    });
    this.#known.set(name, asked);
    this.#last = asked;
    return asked;
  }

  close(): void {
    this.#arena.close();
  }
}

/** Plays the trials in their order on the mutant's code until one of them kills it. */
export async function hunt(mutant: Mutant, trials: readonly Trial[], baseline: Baseline): Promise<Hunt> {
  const begun = performance.now();
  const arena = new Arena(mutant);
  const red: string[] = [];
  let kill: Kill | null = null;
  let count = 0;
  let crashes = 0;
  for (const trial of trials) {
    count += 1;
    const end = await arena.play(trial);
    const found = end.kind === "played" ? findingOf(end.report) : "crashed";
    if (found === "crashed") crashes += 1;
    else if (found !== null && (await baseline.isGreen(trial))) kill = { ...found, trial: nameOf(trial) };
    else if (found !== null) red.push(nameOf(trial));
    if (kill !== null) break;
  }
  arena.close();
  return { mutant, kill, trials: count, crashes, red, seconds: Math.round((performance.now() - begun) / 100) / 10 };
}

/** A broken assertion or an exception of the product ends a process: that is no finding of a checker. */
function findingOf({ failure }: SeedReport): Omit<Kill, "trial"> | "crashed" | null {
  if (failure === null) return null;
  return failure.rule === "ASSERT" ? "crashed" : { by: failure.rule, text: failure.text };
}
