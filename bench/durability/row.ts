import type { Fault } from "./faults.ts";

export type Trial = {
  readonly fault: Fault;
  readonly stallMs: number;
  /** Of all that was acknowledged until then. */
  readonly lost: number;
  /** Until then. */
  readonly doubleRuns: number;
};

export type DurabilityRow = {
  readonly trials: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubleRuns: number;
  readonly stallMs: Readonly<Record<string, { readonly median: number; readonly max: number }>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly seed: string;
};

/** What was lost once is found again by each later trial: the worst look counts, and none of them is lost in a sum. */
export function durabilityRow(trials: readonly Trial[], acknowledged: number, seed: string): DurabilityRow {
  const byFault = new Map<Fault, number[]>();
  for (const { fault, stallMs } of trials) byFault.set(fault, [...(byFault.get(fault) ?? []), stallMs]);
  const sorted = [...byFault].map(([fault, stalls]) => [fault, [...stalls].sort((a, b) => a - b)] as const);
  return {
    trials: trials.length,
    acknowledged,
    lost: Math.max(0, ...trials.map(({ lost }) => lost)),
    doubleRuns: Math.max(0, ...trials.map(({ doubleRuns }) => doubleRuns)),
    stallMs: Object.fromEntries(sorted.map(([fault, stalls]) => [fault, spread(stalls)])),
    faults: Object.fromEntries(sorted.map(([fault, stalls]) => [fault, stalls.length])),
    seed,
  };
}

function spread(sorted: readonly number[]): { readonly median: number; readonly max: number } {
  return { median: sorted[(sorted.length - 1) >> 1] ?? 0, max: sorted.at(-1) ?? 0 };
}
