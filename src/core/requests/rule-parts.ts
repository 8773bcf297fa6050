import { compareText, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, RuleId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HostAffinityRule, Rule } from "../../model/rules.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { findHost, findVm, hostName, vmName } from "./find.ts";

/** A host by name or id; the larger the priority, the better. */
export type WantedHost = { readonly host: string; readonly priority: number };
type RankedHosts = HostAffinityRule["hosts"];

/** A rule that cannot be read exists: neither is its name free, nor may it be overwritten. */
export function findRule(
  view: ClusterView,
  wanted: string,
): { readonly kind: "found"; readonly stored: Stored<Rule> } | Refusal {
  const trouble = view.unreadable.get(keys.rule(wanted as RuleId));
  if (trouble !== undefined) return refuse("rule-unreadable", { rule: wanted, trouble });
  const stored = view.rules.get(wanted as RuleId);
  if (stored !== undefined) return { kind: "found", stored };
  return refuse("rule-unknown", { rule: wanted, known: someOf([...view.rules.keys()].sort(compareText)) });
}

/** For a sentence: the first few, and how many there are. */
export function someOf(texts: readonly string[]): string {
  if (texts.length === 0) return "none";
  return texts.length <= 8 ? texts.join(", ") : `${texts.slice(0, 8).join(", ")}, … (${texts.length} in all)`;
}

/** VMs by name or id, none twice, whichever way it is called; `beside` are those that the rule has already. */
export function resolveVms(
  view: ClusterView,
  rule: string,
  wanted: readonly string[],
  beside: readonly VmId[] = [],
): { readonly kind: "vms"; readonly vms: VmId[] } | Refusal {
  const vms = new Set(beside);
  const find = vmFinder(view);
  for (const one of wanted) {
    const found = find(one);
    if (found.kind === "refused") return found;
    const { id, name } = found.stored.value;
    if (vms.has(id)) return refuse("rule-vm-twice", { rule, vm: name });
    vms.add(id);
  }
  return { kind: "vms", vms: [...vms] };
}

/** `findVm` for a thousand names at once: looks through all VMs once. */
function vmFinder(view: ClusterView): (wanted: string) => ReturnType<typeof findVm> {
  const ids = new Map<string, VmId>();
  for (const { value } of valuesInKeyOrder(view.vms)) if (!ids.has(value.name)) ids.set(value.name, value.id);
  return (wanted) => findVm(view, view.vms.has(wanted as VmId) ? wanted : (ids.get(wanted) ?? wanted));
}

/** What a rule keeps of its VMs. An id whose VM is gone can still be taken out. */
export function withoutVms(
  view: ClusterView,
  rule: Rule,
  unwanted: readonly string[],
): { readonly kind: "vms"; readonly vms: VmId[] } | Refusal {
  const vms = new Set(rule.vms);
  const find = vmFinder(view);
  for (const one of unwanted) {
    const found = vms.has(one as VmId) ? undefined : find(one);
    if (found?.kind === "refused") return found;
    const id = found?.stored.value.id ?? (one as VmId);
    if (!vms.delete(id)) {
      return refuse("rule-vm-not-in-rule", {
        rule: rule.id,
        vm: one,
        vms: someOf(rule.vms.map((vm) => vmName(view, vm))),
      });
    }
  }
  return { kind: "vms", vms: [...vms] };
}

/** Hosts by name or id, none twice, and none that runs no VMs. */
export function resolveHosts(
  view: ClusterView,
  rule: string,
  wanted: readonly WantedHost[],
): { readonly kind: "hosts"; readonly hosts: RankedHosts } | Refusal {
  const hosts = new Map<HostId, number>();
  for (const one of wanted) {
    const found = findHost(view, one.host);
    if (found.kind === "refused") return found;
    const { id, name, role } = found.stored.value;
    if (role === "witness") return refuse("rule-host-is-witness", { rule, host: name });
    if (hosts.has(id)) return refuse("rule-host-twice", { rule, host: name });
    hosts.set(id, one.priority);
  }
  return { kind: "hosts", hosts: [...hosts].map(([host, priority]) => ({ host, priority })) };
}

/** What a rule says in the words of its options, for the history. */
export function ruleTexts(view: ClusterView, rule: Rule) {
  const vms = someOf(rule.vms.map((vm) => vmName(view, vm)));
  if (rule.kind === "vm-affinity") return { vms, says: rule.affinity };
  const hosts = rule.hosts.map(({ host, priority }) => `${hostName(view, host)}:${priority}`);
  return { vms, says: `${rule.strict ? "strict" : "prefer"} ${someOf(hosts)}` };
}
