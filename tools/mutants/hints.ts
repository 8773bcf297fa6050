import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawPlan } from "../../src/sim/draw-plan.ts";
import type { WorldPlan } from "../../src/sim/plan.ts";
import type { Mutant } from "./mutant.ts";
import type { Trial } from "./trial.ts";

const folder = join(import.meta.dirname, "plans");
const seedsFile = join(import.meta.dirname, "first-seeds.json");

/** The seed that found each mutant last time: played first. They only save time: any other order finds as much. */
export function readFirstSeeds(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(seedsFile, "utf8")) as Record<string, string>;
}

export function writeFirstSeeds(seeds: ReadonlyMap<string, string>): void {
  const inOrder = [...seeds].sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(seedsFile, `${JSON.stringify(Object.fromEntries(inOrder), null, 2)}\n`);
}

/** A recorded plan stands beside the seeds where drawn ones reach a bug too rarely. */
export function readPlan(id: string): WorldPlan | undefined {
  const path = join(folder, `${id}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as WorldPlan) : undefined;
}

/** The seeds that are tried at all. */
const seedsMax = 1_000;
const kindsOf = new Map<number, ReadonlyMap<string, number>>();

/** How often each kind of fault comes in the plan of a seed. */
function drawnKinds(seed: number): ReadonlyMap<string, number> {
  const known = kindsOf.get(seed);
  if (known !== undefined) return known;
  const kinds = new Map<string, number>();
  for (const { kind } of drawPlan(String(seed)).events) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  kindsOf.set(seed, kinds);
  return kinds;
}

/** From 1 on, those first that draw most of what the mutant shows near. */
function seedsInOrder({ near = [] }: Mutant): number[] {
  const seeds = Array.from({ length: seedsMax }, (_, i) => i + 1);
  if (near.length === 0) return seeds;
  const score = (seed: number): number => near.reduce((sum, kind) => sum + (drawnKinds(seed).get(kind) ?? 0), 0);
  return seeds.sort((a, b) => score(b) - score(a) || a - b);
}

/** What a mutant is tried with, in order: its recorded plan, the seed that found it last time, then the others. */
export function trialsFor(mutant: Mutant, max: number): Trial[] {
  const plan = readPlan(mutant.id);
  const hint = readFirstSeeds()[mutant.id];
  const seeds = seedsInOrder(mutant)
    .map(String)
    .filter((seed) => seed !== hint);
  const first: Trial[] = plan === undefined ? [] : [{ seed: plan.seed, plan }];
  if (hint !== undefined) first.push({ seed: hint });
  return [...first, ...seeds.map((seed) => ({ seed }))].slice(0, max);
}
