import type { Fractions } from "./topsis.ts";

/** What a host bears as one number: the mean of its parts. */
export function loadOf({ cpu, memory }: Fractions): number {
  return (cpu + memory) / 2;
}

/**
 * How unevenly hosts bear their load: standard deviation (of all of them, not of a sample) by mean. 0: evenly, or fewer
 * than two hosts, or no load at all.
 */
export function imbalanceOf(loads: readonly number[]): number {
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  if (loads.length < 2 || mean === 0) return 0;
  const squares = loads.reduce((sum, load) => sum + (load - mean) ** 2, 0);
  return Math.sqrt(squares / loads.length) / mean;
}

/** Down to 15 decimals: what differs by less is a tie. */
export function floored(imbalance: number): number {
  return Math.floor(imbalance * 1e15) / 1e15;
}
