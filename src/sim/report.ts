import { add, type Counts, outcomesOf } from "./counts.ts";
import { drawnKinds } from "./faults/menu.ts";
import type { SeedLayout } from "./plan.ts";
import type { Run } from "./run.ts";
import { renderStory } from "./world/story.ts";

/** What one run came to; plain data, so that it passes between processes. */
export type SeedReport = {
  readonly seed: string;
  readonly virtualSeconds: number;
  /** Null: everything held. */
  readonly failure: { readonly rule: string; readonly text: string; readonly atMs: number } | null;
  /** The last lines of the story of a failed run. */
  readonly trace: readonly string[];
  readonly counts: readonly (readonly [string, number])[];
  /** Equal for equal runs, event by event. */
  readonly digest: string;
};

const traceLines = 50;

/** `error`: what the product's own assertions threw, if they did. */
export function reportOf(run: Run, error: string | null): SeedReport {
  const { world } = run;
  const first = world.violations[0];
  const atMs = world.scheduler.now;
  const failure = error === null ? (first ?? null) : { rule: "ASSERT", text: error, atMs };
  return {
    seed: run.plan.seed,
    virtualSeconds: Math.round(atMs / 1000),
    failure,
    trace: failure === null ? [] : world.story.last(traceLines).map(renderStory),
    counts: [...world.counts],
    digest: world.digest(),
  };
}

export type Summary = {
  readonly seeds: number;
  readonly virtualSeconds: number;
  readonly violations: number;
  readonly counts: Readonly<Record<string, number>>;
};

/** From this many seeds on, a count that stayed zero means that the simulator does not try what it should. */
export const countedFrom = 200;
/** The parts of all seeds of a layout that must have these, at least. */
const sharesMin: Readonly<Record<SeedLayout, Readonly<Record<string, number>>>> = {
  many: { fencings: 0.2, takeovers: 0.2, thaws: 0.2 },
  local: { fencings: 0.2, takeovers: 0.2, thaws: 0.2 },
  two: { fencings: 0.2, forcedStores: 0.2, joinedAgain: 0.2 },
};

/** Adds up reports of seeds of one layout as they come, in any order. */
export class Totals {
  readonly #layout: SeedLayout;
  seeds = 0;
  virtualSeconds = 0;
  violations = 0;
  readonly counts: Counts = new Map();
  readonly seedsWith: Counts = new Map();

  constructor(layout: SeedLayout) {
    this.#layout = layout;
  }

  add(report: SeedReport): void {
    this.seeds += 1;
    this.virtualSeconds += report.virtualSeconds;
    if (report.failure !== null) this.violations += 1;
    for (const [name, count] of report.counts) {
      add(this.counts, name, count);
      if (count > 0) add(this.seedsWith, name);
    }
  }

  /** What the runs did not reach, in words; empty where there were too few of them to tell. */
  missing(): string[] {
    if (this.seeds < countedFrom) return [];
    const zero = expectedCounts(this.#layout).filter((name) => (this.counts.get(name) ?? 0) === 0);
    const rare = Object.entries(sharesMin[this.#layout]).filter(
      ([name, min]) => (this.seedsWith.get(name) ?? 0) < min * this.seeds,
    );
    return [
      ...zero.map((name) => `${name} never happened in ${this.seeds} seeds`),
      ...rare.map(
        ([name, min]) => `${name} in ${this.seedsWith.get(name) ?? 0} of ${this.seeds} seeds, at least ${min * 100} %`,
      ),
    ];
  }

  summary(): Summary {
    const names = [...new Set([...expectedCounts(this.#layout), ...this.counts.keys()])];
    return {
      seeds: this.seeds,
      virtualSeconds: this.virtualSeconds,
      violations: this.violations,
      counts: Object.fromEntries(names.map((name) => [name, this.counts.get(name) ?? 0])),
    };
  }
}

function expectedCounts(layout: SeedLayout): string[] {
  return [...outcomesOf(layout), ...drawnKinds(layout).map((kind) => `fault ${kind}`)];
}
