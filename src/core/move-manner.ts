import type { VmMove } from "../model/move-records.ts";

/**
 * What really happens to the guest, in the words of the history; the kind of a move says what was asked for, or what is
 * usual for its kind of resource. A guest that stops meanwhile is an outage, and one that nobody runs is not touched.
 */
export function mannerOf(move: VmMove): "live" | "stop and start" | "before it starts" {
  if (move.live !== undefined) return "live";
  return move.epoch === null ? "before it starts" : "stop and start";
}
