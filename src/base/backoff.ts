/** Doubling waits with a ceiling: `firstMs`, 2×, 4× … never more than `maxMs`. `attempt` counts from 0. */
export function backoffMs(attempt: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
}
