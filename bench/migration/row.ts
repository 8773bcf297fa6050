import type { MoveKind } from "./rig.ts";

/** Milliseconds of one move. */
export type Move = { readonly totalMs: number; readonly downtimeMs: number };

/** Medians over all trials, both ways measured in turns in one run. `cgroupMs`: a part of `oursMs` that is none of `rawMs`. */
export function moveRow(kind: MoveKind, ours: readonly Move[], raw: readonly Move[], cgroupMs: number) {
  const of = (moves: readonly Move[], value: (move: Move) => number) => Math.round(median(moves.map(value)));
  const total = ({ totalMs }: Move) => totalMs;
  const downtime = ({ downtimeMs }: Move) => downtimeMs;
  return {
    kind,
    oursMs: of(ours, total),
    rawMs: of(raw, total),
    ratio: Math.round((100 * median(ours.map(total))) / median(raw.map(total))) / 100,
    oursDowntimeMs: of(ours, downtime),
    rawDowntimeMs: of(raw, downtime),
    cgroupMs: Math.round(cgroupMs),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return (low + high) / 2;
}
