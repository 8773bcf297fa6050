import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawPlan } from "../../src/sim/draw-plan.ts";
import type { SeedLayout } from "../../src/sim/plan.ts";
import { scenarioFiles } from "../scenarios/files.ts";
import type { Mutant } from "./mutant.ts";
import { nameOf, type Trial, trialOf } from "./trial.ts";

const firstFile = join(import.meta.dirname, "first-trials.json");

/** The trial that found each mutant last time: played first. It only saves time; any other order finds as much. */
export function readFirstTrials(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(firstFile, "utf8")) as Record<string, string>;
}

export function writeFirstTrials(names: ReadonlyMap<string, string>): void {
  const inOrder = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(firstFile, `${JSON.stringify(Object.fromEntries(inOrder), null, 2)}\n`);
}

/** The seeds that are tried at all. */
const seedsMax = 1_000;
const kindsOf = new Map<string, ReadonlyMap<string, number>>();

/** How often each kind of fault comes in the plan of a seed. */
function drawnKinds(seed: number, layout: SeedLayout): ReadonlyMap<string, number> {
  const name = nameOf({ kind: "seed", seed, layout });
  const known = kindsOf.get(name);
  if (known !== undefined) return known;
  const kinds = new Map<string, number>();
  const { events, scheduler } = drawPlan(String(seed), layout);
  for (const { kind } of events) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  // No fault, but a kind of world: before any that only draws more of the rest.
  if (scheduler?.autoRebalance?.enabled === true) kinds.set("rebalance", 10);
  kindsOf.set(name, kinds);
  return kinds;
}

/** From 1 on, those first that draw most of what the mutant shows near. */
function seedsInOrder({ near = [], layout = "many" }: Mutant): number[] {
  const seeds = Array.from({ length: seedsMax }, (_, i) => i + 1);
  if (near.length === 0) return seeds;
  const score = (seed: number): number =>
    near.reduce((sum, kind) => sum + (drawnKinds(seed, layout).get(kind) ?? 0), 0);
  return seeds.sort((a, b) => score(b) - score(a) || a - b);
}

/** Seeds that come before the scenarios: most mutants fall to one of them, and the others rarely to any seed. */
const seedsBefore = 20;

/** What a mutant is tried with, in order: what found it last time, some seeds, every scenario, and seeds up to `max`. */
export function trialsFor(mutant: Mutant, max: number): Trial[] {
  const first = trialOf(readFirstTrials()[mutant.id] ?? "");
  const seeds = seedsInOrder(mutant)
    .slice(0, max)
    .map((seed): Trial => ({ kind: "seed", seed, layout: mutant.layout ?? "many" }));
  const trials: Trial[] = [
    ...(first === undefined ? [] : [first]),
    ...seeds.slice(0, seedsBefore),
    ...scenarioFiles().map(({ name }): Trial => ({ kind: "scenario", scenario: name })),
    ...seeds.slice(seedsBefore),
  ];
  const names = trials.map(nameOf);
  return trials.filter((trial, i) => names.indexOf(nameOf(trial)) === i);
}
