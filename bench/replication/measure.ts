import type { NbdGuest } from "../../lab/guest/nbd-guest.ts";
import { written } from "./rig.ts";

/** A disk that has a copy elsewhere, once `copy` is over; it says how many milliseconds that took. */
export type Mirrored = {
  readonly guest: NbdGuest;
  readonly copy: () => Promise<number>;
  readonly close: () => Promise<void>;
};

export type Row = { readonly what: string; readonly ours: number; readonly raw: number; readonly ratio: number };

export function rowOf(what: string, ours: number, raw: number): Row {
  return { what, ours: rounded(ours), raw: rounded(raw), ratio: Math.round((ours / raw) * 1_000) / 1_000 };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Milliseconds, the median of `count` small writes, each with its flush, as a database makes them. */
export async function writeMs(guest: NbdGuest, count: number): Promise<number> {
  const block = Buffer.alloc(4_096, 1);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await written(guest, (i % 512) * 65_536, block);
    await guest.flush();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? 0;
}
