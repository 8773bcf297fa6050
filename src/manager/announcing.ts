import { inKeyOrder, valuesInKeyOrder } from "../base/order.ts";
import type { Decided } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { transaction } from "../core/transactions.ts";
import type { TaskId } from "../model/ids.ts";
import type { Compare } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import { type Building, noticeSubject } from "./building.ts";
import type { Announced } from "./state.ts";

/**
 * Says each notice once while it lasts, and again to whoever orders something of the VM meanwhile: a task that stays open
 * does not do so in silence. One that no longer holds may be said again later.
 */
export function announce(
  building: Building,
  parts: readonly Decided[],
  view: ClusterView,
  also: readonly Compare[],
): void {
  const current = new Map(parts.flatMap((part) => part.notices).map((notice) => [notice.subject, notice]));
  const whole = !parts.some((part) => part.partial === true);
  const holds = (subject: string): boolean => current.has(subject) || parts.some((part) => part.unseen?.has(subject));
  const before = [...building.state.announced];
  const announced = new Map(whole ? before.filter(([subject]) => holds(subject)) : before);
  building.state = { ...building.state, announced };
  const open = current.size > 0 ? openTasks(view) : new Map<string, TaskId[]>();
  for (const notice of valuesInKeyOrder(current)) {
    const text = `${notice.event.type} ${JSON.stringify(notice.event.reason?.code ?? "")}`;
    const tasks = open.get(notice.subject) ?? [];
    const said = announced.get(notice.subject);
    if (said?.text === text && tasks.every((task) => said.tasks.includes(task))) continue;
    if (building.isBusy(noticeSubject(notice.subject))) continue;
    if (building.state.pending.size >= limits.decisionsInFlightMax) return;
    announced.set(notice.subject, { text, tasks });
    building.commit(notice.subject, "notice", transaction(also, []), [notice.full?.() ?? notice.event]);
  }
}

/** A notice that did not get through is said again. */
export function unsaid(announced: Announced, subject: string): Announced {
  const copy = new Map(announced);
  copy.delete(subject);
  return copy;
}

function openTasks(view: ClusterView): Map<string, TaskId[]> {
  const open = new Map<string, TaskId[]>();
  for (const [id, { value }] of inKeyOrder(view.tasks)) {
    if (value.end === null) open.set(value.vm, [...(open.get(value.vm) ?? []), id]);
  }
  return open;
}
