import { valuesInKeyOrder } from "../base/order.ts";
import type { CopyHere } from "../core/copies-here.ts";
import { noteOf } from "./alone.ts";
import type { AgentState } from "./state.ts";

/** Runs here whose writes do not reach their copies, as far as their relays said and this host has noted. */
export function copiesHere(state: AgentState): readonly CopyHere[] {
  return valuesInKeyOrder(state.replicas.mirrors).flatMap(({ run, waits, told, ended, progress }): CopyHere[] => {
    const { vm, epoch } = run;
    const note = noteOf(state, run);
    const local = [...state.locals.values()].find((one) => one.run.vm === vm && one.run.epoch === epoch);
    if (ended || local === undefined || local.phase === "gone") return [];
    const atRiskMiB = progress === null ? null : Math.round(progress.remainingMiB * 10) / 10;
    if (note?.isThere === true) return [{ vm, epoch, kind: "alone", since: note.at, atRiskMiB }];
    // Told to go on alone it does so by record, or has until a moment ago.
    return waits && told !== "alone" ? [{ vm, epoch, kind: "waits", since: null, atRiskMiB: null }] : [];
  });
}
