import { compareText } from "../../base/order.ts";
import { keys } from "../../model/keys.ts";
import type { EventDraft, Vm } from "../../model/records.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, remove, unchanged } from "../transactions.ts";
import type { Asked } from "./plan.ts";
import { someOf } from "./rule-parts.ts";
import { lastEdit } from "./rules.ts";

/**
 * What the deletion of a VM does to the rules that name it: it is taken out, and a rule without VMs goes. No rule can
 * come meanwhile that names it: the last edit is compared, and each edit compares the last deletion (AF6).
 */
export function rulesWithoutVm(
  view: ClusterView,
  vm: Vm,
  asked: Asked,
): {
  readonly compares: readonly Compare[];
  readonly writes: readonly Write[];
  readonly events: readonly EventDraft[];
} {
  const named = [...view.rules.values()]
    .filter(({ value }) => value.vms.includes(vm.id))
    .sort((a, b) => compareText(a.value.id, b.value.id));
  const compares = [unchanged(keys.lastRuleEdit, view.lastRuleEdit)];
  const writes: Write[] = [put(keys.lastVmDeletion, lastEdit(asked))];
  const emptied: string[] = [];
  for (const stored of named) {
    const rule = stored.value;
    const vms = rule.vms.filter((other) => other !== vm.id);
    compares.push(unchanged(keys.rule(rule.id), stored));
    writes.push(vms.length === 0 ? remove(keys.rule(rule.id)) : put(keys.rule(rule.id), { ...rule, vms }));
    if (vms.length === 0) emptied.push(rule.id);
  }
  const tell = (type: string, rules: readonly string[]): EventDraft[] => {
    const params = { vm: vm.name, rules: someOf(rules) };
    const draft = { type, subjects: { vm: vm.id }, params, reason: null, alternatives: [], actor: asked.actor };
    return rules.length === 0 ? [] : [draft];
  };
  const kept = named.map((stored) => stored.value.id as string).filter((id) => !emptied.includes(id));
  return { compares, writes, events: [...tell("vm-left-rules", kept), ...tell("rules-emptied", emptied)] };
}
