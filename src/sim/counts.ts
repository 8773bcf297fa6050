/** What a run did, by name: a count that stays zero over many seeds means that the menu does not reach it. */
export type Counts = Map<string, number>;

/** What every longer lane must have reached at least once, beside each kind of fault. */
export const outcomeNames = [
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
  "removals",
  "forcedStores",
] as const;
export type OutcomeName = (typeof outcomeNames)[number];

export function add(counts: Counts, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
