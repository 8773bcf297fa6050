import type { Compare } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import type { OwnContact } from "./contact.ts";
import { decideOrders } from "./decide-fences.ts";
import { decideLosses } from "./decide-losses.ts";
import { decidePastLives } from "./decide-past-lives.ts";
import { decideProofs } from "./decide-proofs.ts";
import { decideTasks } from "./decide-tasks.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decided, ManagerKnowledge } from "./decision.ts";
import { limits } from "./limits.ts";
import type { BalanceState } from "./placement/rebalance.ts";

/**
 * All that is for the leader alone to decide, in the order in which it is carried out. The manager calls this, and so does
 * whoever tells beforehand what it will do (FC1).
 */
export function decideAsLeader(
  view: ClusterView,
  known: ManagerKnowledge,
  own: OwnContact,
  also: readonly Compare[],
  busy: ReadonlySet<string>,
): { readonly parts: readonly Decided[]; readonly balance: BalanceState } {
  const vms = decideVms(view, known, also, busy);
  const room = limits.decisionsInFlightMax - busy.size - vms.decisions.length;
  const others = [
    ...decideLosses(view, known, also),
    ...decideTasks(view, known, also, room, new Set(vms.decisions.map(({ subject }) => subject))),
    ...decidePastLives(view, also, room),
  ];
  const parts = [
    decideOrders(view, known, own, also),
    decideProofs(view, known, also),
    vms,
    { decisions: others, notices: [], wakeAt: undefined },
  ];
  return { parts, balance: vms.balance };
}
