import { backoffMs } from "../base/backoff.ts";
import { limits } from "../core/limits.ts";
import type { Epoch, InstantMs } from "../model/ids.ts";
import type { Vm } from "../model/records.ts";
import type { Restarts } from "./state.ts";

/** What a second try on the same host cannot mend: others are tried at once. */
const hopelessHere: ReadonlySet<string> = new Set([
  ...["vm-cpu-model-unknown", "vm-kernel-missing", "network-unmapped", "pool-not-in-cluster", "qemu-missing"],
]);

/** Its own host may start it again; `ended`: the epoch that ended, `refused`: why it could not be started. */
export function mayRestart(
  known: Restarts | undefined,
  vm: Vm,
  ended: Epoch,
  now: InstantMs,
  refused: string | undefined = undefined,
): boolean {
  if (refused !== undefined && hopelessHere.has(refused)) return false;
  return known?.counted === ended || restartsInARow(known, now) < vm.maxRestart;
}

/** A run that lasted a quiet minute starts the count anew. */
export function restartsInARow(known: Restarts | undefined, now: InstantMs): number {
  if (known === undefined) return 0;
  return now - known.startedAt > limits.quietRunMs ? 0 : known.count;
}

/**
 * How long after the start before it the `count`-th restart in a row comes, in ms. The first is immediate and the next two
 * a second after the start before them, because people wait; a VM that ends again and again gets longer and longer pauses.
 */
export function restartWaitMs(count: number): number {
  if (count <= 1) return 0;
  return backoffMs(Math.max(0, count - limits.promptRestarts), limits.restartFirstMs, limits.restartMaxMs);
}
