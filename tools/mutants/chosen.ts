import { LabError } from "../../lab/lab-error.ts";
import type { Mutant } from "./mutant.ts";
import { realGuardMutants } from "./planted/c-guard.ts";
import { copyRuleMutants } from "./planted/copies.ts";
import { moveDriverMutants } from "./planted/local-moves.ts";
import { lostRelayMutants } from "./planted/lost-relays.ts";
import { pointDriverMutants, pointRuleMutants } from "./planted/points.ts";
import { relayMutants, replicationMutants } from "./planted/replication.ts";
import { takeoverMutants } from "./planted/takeover.ts";
import { watchMutants, watchRuleMutants } from "./planted/watch.ts";
import { planted } from "./planted.ts";

/** Bugs that no seed plays, by the suite that finds them, which is the name of the option, too. */
export const bySuite = {
  guard: realGuardMutants,
  replication: [
    ...replicationMutants,
    ...takeoverMutants,
    ...pointRuleMutants,
    ...watchRuleMutants,
    ...copyRuleMutants,
  ],
  relay: [...relayMutants, ...lostRelayMutants, ...pointDriverMutants, ...watchMutants],
  moves: moveDriverMutants,
} as const satisfies Record<string, readonly Mutant[]>;

export type SuiteName = keyof typeof bySuite;
export const suiteNames = Object.keys(bySuite) as readonly SuiteName[];

/** Those of `suite`, or, without one, of the seeds and scenarios; `only`: of them these, by their ids. */
export function chosen(suite: SuiteName | undefined, only: string | undefined, nothing: string): readonly Mutant[] {
  const all = suite === undefined ? planted : bySuite[suite];
  if (only === undefined) return all;
  const ids = only.split(",");
  const missing = ids.filter((id) => !all.some((mutant) => mutant.id === id));
  if (missing.length === 0) return all.filter((mutant) => ids.includes(mutant.id));
  const unknown = missing.filter((id) => commandOf(id) === undefined);
  if (unknown.length > 0)
    throw new LabError(`There is no mutant ${unknown.join(", ")}.`, nothing, "The ids stand in tools/mutants/planted.");
  const elsewhere = missing.map((id) => `${commandOf(id)} plays ${id}`);
  const cause = `${suite === undefined ? "Without an option" : `With --${suite}`} no bug ${missing.join(", ")} is planted.`;
  throw new LabError(cause, nothing, `Another run does: ${elsewhere.join("; ")}.`);
}

/** What plays the bug of this id; undefined: there is none. */
function commandOf(id: string): string | undefined {
  const has = (all: readonly Mutant[]): boolean => all.some((mutant) => mutant.id === id);
  if (has(planted)) return "`mutants` without an option";
  const suite = suiteNames.find((one) => has(bySuite[one]));
  return suite === undefined ? undefined : `\`mutants --${suite}\``;
}
