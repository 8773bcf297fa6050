import type { Size } from "./cluster.ts";
import type { Measured, RoundName, Sample } from "./rounds.ts";

export type Row = {
  readonly hosts: number;
  readonly resources: number;
  readonly rules: "none" | "mixed";
  readonly scheduler: Size["scheduler"];
  readonly round: RoundName;
  readonly cpuMs: { readonly min: number; readonly median: number };
  /** What the round decided: VMs that it gave a host, hosts that it fenced. */
  readonly placed: number;
  readonly fenced: number;
  /**
   * No round asks for more than `decisionsInFlightMax` transactions: how many rounds it took until every VM had its host,
   * each with all before it committed, and their processor time in sum.
   */
  readonly all?: { readonly rounds: number; readonly cpuMs: number };
};

/** Throws where a round did not decide what its name says: such a row would measure nothing. */
export function rowOf(round: RoundName, size: Size, { samples, all }: Measured): Row {
  const [first] = samples;
  if (first === undefined) throw new Error(`Cannot tell of round ${round}: it was never measured`);
  for (const { placed, fenced } of samples) {
    if (placed === first.placed && fenced === first.fenced) continue;
    throw new Error(`Round ${round} decided ${placed}/${fenced} and ${first.placed}/${first.fenced} on the same view`);
  }
  const { placed, fenced } = first;
  const expected = { add: placed > 0, recover: placed > 0, fence: fenced === 1, steady: placed + fenced === 0 };
  if (!expected[round]) throw new Error(`Round ${round} placed ${placed} VMs and fenced ${fenced} hosts`);
  const rules = size.mixed ? "mixed" : "none";
  const cpuMs = { min: twoDigits(least(samples)), median: twoDigits(median(samples.map(({ cpuMs }) => cpuMs))) };
  const whole = all === undefined ? {} : { all: { rounds: all.rounds, cpuMs: twoDigits(all.cpuMs) } };
  return {
    hosts: size.hosts,
    resources: size.vms,
    rules,
    scheduler: size.scheduler,
    round,
    cpuMs,
    placed,
    fenced,
    ...whole,
  };
}

const twoDigits = (ms: number): number => Math.round(ms * 100) / 100;
const least = (samples: readonly Sample[]): number => Math.min(...samples.map(({ cpuMs }) => cpuMs));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
