import { compareNatural, inKeyOrder } from "../../base/order.ts";
import { findVm, hostName, vmName } from "../../core/requests/find.ts";
import { findRule } from "../../core/requests/rule-parts.ts";
import { ruleBook } from "../../core/rules/rule-book.ts";
import type { Check, Refusal } from "../../model/reason.ts";
import type { Rule } from "../../model/rules.ts";
import type { ClusterView } from "../../model/view.ts";
import type { RuleSummary } from "../contract/rule.ts";

function presentOne(view: ClusterView, rule: Rule): RuleSummary {
  const { id, enabled, comment, createdAt } = rule;
  const vms = rule.vms.map((vm) => ({ id: vm, name: vmName(view, vm) })).sort((a, b) => compareNatural(a.name, b.name));
  const failing = (ruleBook(view).failing.get(id) ?? []).map((reason) => ({ ...reason }));
  const common = { id, enabled, comment, createdAt, vms, failing };
  if (rule.kind === "vm-affinity") return { ...common, kind: rule.kind, affinity: rule.affinity };
  const hosts = rule.hosts
    .map(({ host, priority }) => ({ id: host, name: hostName(view, host), priority }))
    .sort((a, b) => b.priority - a.priority || compareNatural(a.name, b.name));
  return { ...common, kind: rule.kind, hosts, strict: rule.strict };
}

/** All rules; with `vm` those that name it, and those that bind it by what it is together with (AF4). */
export function presentRules(view: ClusterView, vm: string | undefined): RuleSummary[] | Refusal {
  const rules = [...view.rules.values()].map((stored) => stored.value);
  const inOrder = (some: readonly Rule[]) =>
    [...some].sort((a, b) => compareNatural(a.id, b.id)).map((rule) => presentOne(view, rule));
  if (vm === undefined) return inOrder(rules);
  const found = findVm(view, vm);
  if (found.kind === "refused") return found;
  const { id } = found.stored.value;
  const binding = new Set(ruleBook(view).rulesOf(id));
  return inOrder(rules.filter((rule) => binding.has(rule.id) || rule.vms.includes(id)));
}

export function presentRule(view: ClusterView, wanted: string): RuleSummary | Refusal {
  const found = findRule(view, wanted);
  return found.kind === "refused" ? found : presentOne(view, found.stored.value);
}

/** Rules that are on and cannot be followed: each reason once, however many rules it stops. */
export function failingRuleChecks(view: ClusterView): Check[] {
  const checks = new Map<string, Check>();
  for (const [subject, reasons] of inKeyOrder(ruleBook(view).failing)) {
    for (const { code, params } of reasons) {
      const said = JSON.stringify([code, params]);
      if (!checks.has(said)) checks.set(said, { id: code, subject, level: "warn", params });
    }
  }
  return [...checks.values()];
}
