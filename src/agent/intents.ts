import { inKeyOrder } from "../base/order.ts";
import { hostName } from "../core/requests/find.ts";
import { put, transaction, unchanged } from "../core/transactions.ts";
import type { Incarnation } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Intent, ResetIntent } from "../model/records.ts";
import type { Stored } from "../model/view.ts";
import { type Building, isNamed } from "./building.ts";
import { nameOf } from "./move-parts.ts";
import { runKey } from "./state.ts";

/**
 * Carries out open intents for VMs that run here, and answers each in place: a wish is never swallowed. An answer whose
 * outcome was unknown is written again; the act is not done again.
 */
export function answerIntents(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { carriedOut } = building.state;
  if ([...carriedOut].some((id) => !view.intents.has(id))) {
    const left = new Set([...carriedOut].filter((id) => view.intents.has(id)));
    building.state = { ...building.state, carriedOut: left };
  }
  for (const [id, intent] of inKeyOrder(view.intents)) {
    if (!isReset(intent) || intent.value.answer.kind !== "open" || building.busy(id)) continue;
    const owner = view.owners.get(intent.value.vm)?.value;
    if (owner?.kind !== "held" || owner.host !== building.state.self || owner.incarnation !== incarnation) continue;
    const run = { vm: intent.value.vm, incarnation, epoch: owner.epoch };
    const local = building.state.locals.get(runKey(run));
    if (building.state.carriedOut.has(id)) {
      answer(building, intent, { kind: "done", at: building.happened.wall });
      continue;
    }
    if (local?.phase !== "running" || !isNamed(view, building.state.self, run) || owner.epoch !== intent.value.epoch) {
      // A guest that is let go on after a move may stand still longer than the record of that move.
      const move = local?.phase === "moving" ? view.moves.get(intent.value.vm)?.value : undefined;
      const vm = nameOf(view, intent.value.vm);
      const why =
        move === undefined
          ? { code: "vm-not-running", params: { vm } }
          : { code: "vm-between-hosts", params: { vm, host: hostName(view, move.to) } };
      answer(building, intent, { kind: "refused", ...why, at: building.happened.wall });
      continue;
    }
    const op = building.op({ kind: "reset", runKey: runKey(run), intent: id });
    building.effects.push({ kind: "reset", op, run });
    building.state = { ...building.state, carriedOut: new Set(building.state.carriedOut).add(id) };
    answer(building, intent, { kind: "done", at: building.happened.wall });
  }
}

function isReset(intent: Stored<Intent>): intent is Stored<ResetIntent> {
  return intent.value.kind === "reset-vm";
}

function answer(building: Building, intent: Stored<Intent>, how: Intent["answer"]): void {
  const key = keys.intent(intent.value.id);
  const next: Intent = { ...intent.value, answer: how };
  building.commit(intent.value.id, transaction([unchanged(key, intent)], [put(key, next)]), []);
}
