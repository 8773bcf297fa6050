import { failureKey } from "../core/move-attempts.ts";
import type { InstantMs } from "../model/ids.ts";
import type { ClusterView } from "../model/view.ts";

/** When this process first saw each VM's moves fail as often as they have by now: a new manager waits anew, never less. */
export function seeFailures(
  before: ReadonlyMap<string, number>,
  view: ClusterView,
  now: InstantMs,
): ReadonlyMap<string, number> {
  if (view.plans.size === 0) return before.size === 0 ? before : new Map();
  const seen = new Map<string, number>();
  for (const [vm, plan] of view.plans) {
    if (plan.value.failedMoves === null) continue;
    const key = failureKey(vm, plan);
    seen.set(key, before.get(key) ?? now);
  }
  return seen;
}
