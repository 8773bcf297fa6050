import type { Incarnation, InstantMs, VmId, WallMs } from "../model/ids.ts";

/** What the heart's word has told of freezes (S2). */
export type Stillness = {
  /** The incarnation whose VMs it last called running: each one begins frozen, which is no event. */
  readonly thawed: Incarnation | null;
  /** The freeze that lasts. */
  readonly open: Freeze | null;
  /** Those that are over and not on record yet, oldest first. */
  readonly untold: readonly (Freeze & { readonly forMs: number })[];
  /** When the newest of those began that are being written. */
  readonly sentAt: InstantMs | null;
};

export type Freeze = {
  readonly incarnation: Incarnation;
  readonly at: InstantMs;
  readonly since: WallMs;
  /** The VMs that ran here when it began. */
  readonly vms: readonly VmId[];
};

export const neverStill: Stillness = { thawed: null, open: null, untold: [], sentAt: null };
