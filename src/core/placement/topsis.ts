/** One choice by its criteria, of which less is better in each. */
export type Criteria = readonly number[];

/**
 * Ranks choices by TOPSIS: each criterion by its Euclidean norm over all choices, times its weight (their sum is taken as
 * 1); the score is the distance to the worst imaginable choice in proportion to that plus the distance to the best one.
 * From 0 to 1, more is better; 0 where all choices are alike.
 */
export function topsis(choices: readonly Criteria[], weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const factors = weights.map((weight, i) => {
    const norm = Math.sqrt(choices.reduce((total, choice) => total + (choice[i] ?? 0) ** 2, 0));
    return norm === 0 ? 0 : weight / sum / norm;
  });
  const column = (i: number, pick: (...values: number[]) => number, from: number): number =>
    choices.reduce((found, choice) => pick(found, (choice[i] ?? 0) * (factors[i] ?? 0)), from);
  const best = factors.map((_, i) => column(i, Math.min, Number.POSITIVE_INFINITY));
  const worst = factors.map((_, i) => column(i, Math.max, Number.NEGATIVE_INFINITY));
  return choices.map((choice) => {
    const weighted = factors.map((factor, i) => (choice[i] ?? 0) * factor);
    const toBest = distance(weighted, best);
    const toWorst = distance(weighted, worst);
    return toBest + toWorst === 0 ? 0 : toWorst / (toBest + toWorst);
  });
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] ?? 0)) ** 2, 0));
}

/** What hosts bear, as parts of what they have: cores and memory. */
export type Fractions = { readonly cpu: number; readonly memory: number };

/** The criteria of a state of the cluster, and what each weighs: the even spread of cores and memory, and their peaks. */
export const stateWeights: readonly number[] = [1, 2, 5, 10];

/** What a state comes to before any change: sums of squares and peaks, from which each change follows in one step. */
export type Spread = { readonly hosts: number; readonly cpu: Part; readonly memory: Part };
type Part = { readonly squares: number; readonly peak: number };

export function spreadOf(hosts: readonly Fractions[]): Spread {
  const part = (of: (host: Fractions) => number): Part => ({
    squares: hosts.reduce((sum, host) => sum + of(host) ** 2, 0),
    peak: hosts.reduce((peak, host) => Math.max(peak, of(host)), 0),
  });
  return { hosts: hosts.length, cpu: part((host) => host.cpu), memory: part((host) => host.memory) };
}

export function criteriaOf({ hosts, cpu, memory }: Spread): Criteria {
  const even = (part: Part) => 1 + Math.sqrt(Math.max(0, part.squares) / Math.max(1, hosts));
  return [even(cpu), 1 + cpu.peak, even(memory), 1 + memory.peak];
}

/** The spread after one host bears more than before. */
export function withMore(spread: Spread, before: Fractions, after: Fractions): Spread {
  const part = ({ squares, peak }: Part, was: number, is: number): Part => ({
    squares: squares - was ** 2 + is ** 2,
    peak: Math.max(peak, is),
  });
  return {
    hosts: spread.hosts,
    cpu: part(spread.cpu, before.cpu, after.cpu),
    memory: part(spread.memory, before.memory, after.memory),
  };
}
