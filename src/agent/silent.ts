import { compareText, valuesInKeyOrder } from "../base/order.ts";
import { limits } from "../core/limits.ts";
import { silentCheck } from "../core/silent-qemus.ts";
import { later } from "../model/ids.ts";
import type { Check } from "../model/reason.ts";
import { type Building, isNamed } from "./building.ts";
import { type AgentEvent, type AgentState, type Local, runKey, type Silent } from "./state.ts";

/** Takes in of a listing whose QEMU does not answer: for a moment it may be busy, for longer that is told. */
export function noteSilent(state: AgentState, happened: AgentEvent & { readonly kind: "listed" }): AgentState {
  const { runs, now, wall } = happened;
  const silent = new Map<string, Silent>();
  for (const { run, state: seen } of runs) {
    const key = runKey(run);
    if (seen !== "unresponsive" || !isToAnswer(state.locals.get(key))) continue;
    const { since, at } = state.silent.get(key) ?? { since: wall, at: now };
    silent.set(key, { since, at, isSure: now >= later(at, limits.qemuSilentMs) });
  }
  return silent.size === 0 && state.silent.size === 0 ? state : { ...state, silent };
}

/** Not so where silence is nothing new: it comes up or goes down, waits here for its guest, has handed it over, or stands for good. */
function isToAnswer(local: Local | undefined): boolean {
  if (local === undefined || local.last !== null) return false;
  if (local.phase === "moving") return local.moving?.part === "leaving";
  return local.phase === "running" || local.phase === "paused";
}

/** Of VMs of this host whose QEMU does not answer it. */
export function silentChecks({ state, happened: { view } }: Building): Check[] {
  if (state.silent.size === 0) return [];
  return valuesInKeyOrder(state.locals)
    .flatMap((local) => {
      const silent = state.silent.get(runKey(local.run));
      const isSo = silent?.isSure === true && isToAnswer(local) && isNamed(view, state.self, local.run);
      return isSo ? [silentCheck(view, state.self, local.run, silent.since)] : [];
    })
    .sort((a, b) => compareText(a.subject, b.subject));
}
