import { limits } from "../core/limits.ts";
import { later, type VmId } from "../model/ids.ts";
import type { Copying } from "../model/move-records.ts";
import type { Building } from "./building.ts";
import type { AgentState, Local } from "./state.ts";

/**
 * How the copying of guests that leave goes, for their status: now and then, for people. What was heard last before a guest
 * changes hands is left out: nothing that is written for people may stand before that in the line for the store.
 */
export function takeProgress(building: Building): void {
  const { state, happened } = building;
  const left = [...state.copying].filter(([vm]) => isLeaving(state, vm));
  const untold = [...state.pauses].filter(([vm]) => happened.view.moves.has(vm));
  if (left.length < state.copying.size || untold.length < state.pauses.size)
    building.state = { ...state, copying: new Map(left), pauses: new Map(untold) };
  if (state.progress.size === 0 || happened.now < state.progressAt) return;
  const copying = new Map(left);
  for (const [vm, progress] of state.progress) {
    if (isLeaving(state, vm) && progress.percent < 100) copying.set(vm, progress);
  }
  const progressAt = later(happened.now, limits.agentWakeMs);
  building.state = { ...building.state, copying, progress: new Map(), progressAt };
}

function isLeaving({ locals }: AgentState, vm: VmId): boolean {
  for (const { run, phase, moving } of locals.values())
    if (run.vm === vm && phase === "moving" && moving?.part === "leaving") return true;
  return false;
}

/** Part of its status. */
export function copyingOf({ copying }: AgentState, { run, phase, moving }: Local): { readonly copying?: Copying } {
  const found = phase === "moving" && moving?.part === "leaving" ? copying.get(run.vm) : undefined;
  return found === undefined ? {} : { copying: found };
}
