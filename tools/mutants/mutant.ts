import type { SeedLayout } from "../../src/sim/plan.ts";

/** A piece of source and what stands there instead. `find` must occur exactly once in `file`, or the run fails. */
export type Edit = {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

/**
 * A bug on purpose: one that a person could make in good faith, against one rule. It is the checkers that have to find
 * it: an assertion of the product that would end the process first is taken out with it (`also`).
 */
export type Mutant = Edit & {
  /** Names the bug. */
  readonly id: string;
  /** The rule of docs/RULES.md that it breaks. */
  readonly rule: string;
  readonly what: string;
  /** The worlds in which it shows; those of three to five hosts where it is not said. */
  readonly layout?: SeedLayout;
  /** Kinds of faults near which it shows: seeds that draw them are played first. */
  readonly near?: readonly string[];
  /** Further places of the same bug. */
  readonly also?: readonly Edit[];
};

export function editsOf(mutant: Mutant): readonly Edit[] {
  const { file, find, replace, also = [] } = mutant;
  return [{ file, find, replace }, ...also];
}

/** What is wrong with planting `edit` in `text`; undefined: it applies. */
export function whyNotApplied(text: string, edit: Edit): string | undefined {
  const count = text.split(edit.find).length - 1;
  if (count !== 1) return `${edit.file} has ${count} of "${edit.find.split("\n")[0]}", must be 1`;
  return edit.find === edit.replace ? `${edit.file}: nothing is changed` : undefined;
}

export function applyEdit(text: string, edit: Edit): string {
  const at = text.indexOf(edit.find);
  return text.slice(0, at) + edit.replace + text.slice(at + edit.find.length);
}
