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
  /** Trials that fail without the bug as well: no kills, and the run is worth nothing. */
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
    const asked = this.#last.then(async () => (await this.#arena.play(trial)).kind === "held");
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
  try {
    for (const trial of trials) {
      count += 1;
      const verdict = await arena.play(trial);
      if (verdict.kind === "crashed") crashes += 1;
      if (verdict.kind !== "found") continue;
      const trialName = nameOf(trial);
      if (await baseline.isGreen(trial)) {
        kill = { by: verdict.by, text: verdict.text, trial: trialName };
        break;
      }
      red.push(trialName);
    }
  } finally {
    arena.close();
  }
  return { mutant, kill, trials: count, crashes, red, seconds: Math.round((performance.now() - begun) / 100) / 10 };
}
