import type { SeedLayout } from "./plan.ts";

/** What a run did, by name: a count that stays zero over many seeds means that the menu does not reach it. */
export type Counts = Map<string, number>;

/** What is counted beside each kind of fault. */
const outcomeNames = [
  "fencings",
  "takeovers",
  "freezes",
  "thaws",
  "adoptions",
  "rejoins",
  "lostRaces",
  "leaderChanges",
  "powerOffs",
  "lateWrites",
  "forgottenLives",
  "handOvers",
  "handBacks",
  "evenings",
  "copiesInSync",
  "copiesLeftBehind",
  "promotions",
  "plannedFailovers",
  "hungQemus",
  "hungRelays",
  "removals",
  "forcedStores",
  "takeoversByDevice",
  "takeoversByWord",
  "takeoversRefused",
  "takeoversFinished",
  "joinedAgain",
] as const;
export type OutcomeName = (typeof outcomeNames)[number];

const ofTwoHostsAlone = [
  ...["forcedStores", "takeoversByDevice", "takeoversByWord", "takeoversRefused", "takeoversFinished", "joinedAgain"],
];
/** Two hosts hold no deadline, keep nobody even, and cannot spare one that leaves the cluster (S23). */
const ofManyHostsAlone = ["freezes", "thaws", "evenings", "removals"];

const ofCopies = ["copiesInSync", "copiesLeftBehind", "promotions", "plannedFailovers", "hungRelays"];
const notReached: Readonly<Record<SeedLayout, readonly string[]>> = {
  many: ofTwoHostsAlone,
  local: [...ofTwoHostsAlone, ...ofCopies],
  two: ofManyHostsAlone,
};

/** What every longer lane of a layout must have reached at least once. */
export function outcomesOf(layout: SeedLayout): readonly string[] {
  return outcomeNames.filter((name) => !notReached[layout].includes(name));
}

export function add(counts: Counts, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
