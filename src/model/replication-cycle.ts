import { z } from "zod";
import { wallMs } from "./branded.ts";

/**
 * A cycle of asynchronous replication: the state of all disks of a VM at one moment. `chain`: a random word that begins with
 * a full copy; within it each cycle holds what was written since the one before it (S25).
 */
export const cycleIdSchema = z.object({ chain: z.string().regex(/^[a-z0-9]{8,32}$/u), sequence: z.int().min(1) });
export type CycleId = z.infer<typeof cycleIdSchema>;

/** One that is complete at the host of the copies, on all disks, and on its storage. */
export const sealedCycleSchema = cycleIdSchema.extend({
  /** The moment that it holds, by the clock of the host of the run; what was written later is not in it. */
  at: wallMs,
  /** The recovery point that it is. */
  point: z.string(),
});
export type SealedCycle = z.infer<typeof sealedCycleSchema>;

export function isSameCycle(a: CycleId | null, b: CycleId | null): boolean {
  return a === null || b === null ? a === b : a.chain === b.chain && a.sequence === b.sequence;
}

/** The one that a cycle is built upon; null: it holds everything by itself. */
export function cycleBefore({ chain, sequence }: CycleId): CycleId | null {
  return sequence === 1 ? null : { chain, sequence: sequence - 1 };
}
