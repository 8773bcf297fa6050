import type { Incarnation, InstantMs } from "../model/ids.ts";
import type { GuardName } from "../ports/guard.ts";

/** The VM cgroups of one host, and the guards' files: ground truth that outlives every guard. A boot makes a new one. */
export interface SimTree {
  readonly frozenLevels: WatchedLevels;
  readonly folders: Map<Incarnation, { frozen: boolean; readonly runs: Set<string> }>;
  readonly files: Map<GuardName, DeadlineFile>;
  /** The faults by which no freeze comes to its end, and what is below goes on. */
  readonly sticking: Set<symbol>;
  /** Stacked faults: while above zero no level is opened. */
  shut: number;
}
export type DeadlineFile = { readonly incarnation: Incarnation; readonly deadline: InstantMs | null };

/** `thawing` is told of each level that is opened, at that very moment: a thaw that ends at once is one, too. */
export function createTree(thawing: (name: GuardName) => void = () => {}): SimTree {
  return {
    frozenLevels: new WatchedLevels(thawing),
    folders: new Map(),
    files: new Map(),
    sticking: new Set(),
    shut: 0,
  };
}

/** The frozen ones. */
class WatchedLevels extends Set<GuardName> {
  /** Until somebody has looked at what changed. */
  touched = false;
  readonly #thawing: (name: GuardName) => void;

  constructor(thawing: (name: GuardName) => void) {
    super();
    this.#thawing = thawing;
  }

  override add(name: GuardName): this {
    this.touched = true;
    return super.add(name);
  }

  override delete(name: GuardName): boolean {
    const had = super.delete(name);
    this.touched = true;
    if (had) this.#thawing(name);
    return had;
  }
}

/** Whether a run could execute now: no level above it and not its incarnation's folder is frozen. */
export function mayExecute(tree: SimTree, run: string): boolean {
  if (tree.frozenLevels.size > 0) return false;
  return [...tree.folders.values()].some((folder) => folder.runs.has(run) && !folder.frozen);
}
