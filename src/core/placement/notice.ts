import { event, type Notice } from "../decision.ts";
import type { PlacementRound } from "./round.ts";

export const schedulerSubject = "scheduler";

/** Said once while it lasts: hosts are compared by other figures than the policy says (PL4). */
export function otherFigures({ figures }: PlacementRound): Notice | undefined {
  const { trouble, mode, wanted } = figures;
  if (trouble === undefined) return undefined;
  return { subject: schedulerSubject, event: event("scheduler-falls-back", {}, { mode, wanted }, trouble) };
}
