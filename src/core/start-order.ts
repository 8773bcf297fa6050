import { compareText } from "../base/order.ts";
import type { InstantMs, VmId } from "../model/ids.ts";
import type { Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { derived } from "./derived.ts";
import { isAwaited } from "./host-standing.ts";
import { limits } from "./limits.ts";
import { vmError } from "./vm-error.ts";
import { lostVms, vmIndex } from "./vm-index.ts";
import { runsAsOwned } from "./vm-state.ts";

/**
 * A VM that is coming up, as this process has seen it: lost and to be recovered, or wanted and free. `runsSince`: until its
 * `startDelayMs` is over, it still has its turn.
 */
export type Turn = { readonly since: InstantMs; readonly runsSince: InstantMs | null };
export type Turns = ReadonlyMap<VmId, Turn>;

const hasOrder = derived(["vm"], (view) => {
  for (const { value: vm } of view.vms.values()) if (vm.startPriority !== 0 || vm.startDelayMs > 0) return true;
  return false;
});

/** Wanted VMs that nobody runs: nobody may, or their holder is fenced. */
const comingUp = derived(["vm", "owner", "vm-plan", "fence"], (view): readonly VmId[] => {
  const waiting = [...vmIndex(view).unsettled, ...lostVms(view)];
  return waiting.filter((id) => view.vms.get(id)?.value.requested === "started");
});

/** What is coming up, and since when, on this process's own clock. Without any priorities there is nothing to know. */
export function seeTurns(before: Turns, view: ClusterView, now: InstantMs): Turns {
  if (!hasOrder(view)) return before.size === 0 ? before : new Map();
  const coming = comingUp(view);
  if (before.size === 0 && coming.length === 0) return before;
  const turns = new Map<VmId, Turn>();
  for (const id of coming) turns.set(id, before.get(id) ?? { since: now, runsSince: null });
  for (const [id, turn] of before) {
    const vm = view.vms.get(id)?.value;
    if (turns.has(id) || vm?.requested !== "started") continue;
    const runsSince = runsAsOwned(view, id) ? (turn.runsSince ?? now) : null;
    if (runsSince === null || now - runsSince < vm.startDelayMs) turns.set(id, { since: turn.since, runsSince });
  }
  return turns;
}

/** Who has the turn: VMs of a lower priority wait. `until`: then somebody's time is over although nothing changed. */
export type Turning = { readonly priority: number; readonly until: number };

/** The highest priority that is coming up and has not had its time; undefined: nobody waits for anybody. */
export function whoseTurn(turns: Turns, view: ClusterView, now: InstantMs): Turning | undefined {
  let found: Turning | undefined;
  for (const [id, { since, runsSince }] of turns) {
    const vm = view.vms.get(id)?.value;
    if (vm === undefined || isHeldUp(view, vm)) continue;
    const until = runsSince === null ? since + limits.startTurnMs : runsSince + vm.startDelayMs;
    if (now >= until) continue;
    if (found === undefined || vm.startPriority > found.priority) found = { priority: vm.startPriority, until };
    else if (vm.startPriority === found.priority && until < found.until) found = { ...found, until };
  }
  return found;
}

/** It does not come up for a reason of its own: others are not kept waiting for that. */
function isHeldUp(view: ClusterView, vm: Vm): boolean {
  const owner = view.owners.get(vm.id)?.value;
  const waits = owner?.kind === "released" && isAwaited(view, owner.host);
  return waits || vm.lock !== null || vmError(view, vm.id) !== undefined;
}

/** The larger priority first; ids decide between equals. */
export function byStartOrder(a: Vm, b: Vm): number {
  return b.startPriority - a.startPriority || compareText(a.id, b.id);
}
