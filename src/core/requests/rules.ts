import { must } from "../../base/assert.ts";
import { isSame } from "../../base/same.ts";
import type { HostId, RuleId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Params, type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
import type { LastEdit, Rule, VmAffinityRule } from "../../model/rules.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { checkRules } from "../rules/checks.ts";
import { crowdedRules } from "../rules/room-apart.ts";
import { allRules, hostsOf, namesOf, ruleBook } from "../rules/rule-book.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { vmName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import { findRule, resolveHosts, resolveVms, ruleTexts, someOf, type WantedHost, withoutVms } from "./rule-parts.ts";

export const ruleLimits = {
  /** A deletion of a VM writes each rule that it is in, in one transaction. */
  rulesPerVm: 50,
} as const;

export type AddRuleRequest = {
  readonly rule: string;
  /** VMs by name or id. */
  readonly vms: readonly string[];
  readonly enabled: boolean;
  readonly comment: string;
} & (
  | { readonly kind: "host-affinity"; readonly hosts: readonly WantedHost[]; readonly strict: boolean }
  | { readonly kind: "vm-affinity"; readonly affinity: VmAffinityRule["affinity"] }
);

export type SetRuleRequest = {
  readonly rule: string;
  readonly enabled?: boolean | undefined;
  readonly comment?: string | undefined;
  /** All its VMs anew; `addVms` and `removeVms` change some. */
  readonly vms?: readonly string[] | undefined;
  readonly addVms?: readonly string[] | undefined;
  readonly removeVms?: readonly string[] | undefined;
  readonly hosts?: readonly WantedHost[] | undefined;
  readonly strict?: boolean | undefined;
  readonly affinity?: VmAffinityRule["affinity"] | undefined;
};

/** Adds a rule. Refused where it could not be followed, or where another one could not be any more (AF6). */
export function planAddRule(view: ClusterView, request: AddRuleRequest, asked: Asked): Planned {
  const id = request.rule as RuleId;
  const taken = findRule(view, id);
  if (taken.kind === "found") return refuse("rule-name-taken", { rule: id });
  if (taken.code !== "rule-unknown") return taken;
  const vms = resolveVms(view, id, request.vms);
  if (vms.kind === "refused") return vms;
  const { enabled, comment } = request;
  const common = { schema: 1 as const, id, vms: vms.vms, enabled, comment, createdAt: asked.at };
  if (request.kind === "vm-affinity") {
    const rule: Rule = { ...common, kind: request.kind, affinity: request.affinity };
    return planEdit(view, undefined, rule, asked);
  }
  const hosts = resolveHosts(view, id, request.hosts);
  if (hosts.kind === "refused") return hosts;
  return planEdit(
    view,
    undefined,
    { ...common, kind: request.kind, hosts: hosts.hosts, strict: request.strict },
    asked,
  );
}

/** Changes what a rule says; what kind of rule it is stays. Refused like an addition (AF6). */
export function planSetRule(view: ClusterView, request: SetRuleRequest, asked: Asked): Planned {
  const found = findRule(view, request.rule);
  if (found.kind === "refused") return found;
  const old = found.stored.value;
  const vms = changedVms(view, old, request);
  if (vms.kind === "refused") return vms;
  const common = { vms: vms.vms, enabled: request.enabled ?? old.enabled, comment: request.comment ?? old.comment };
  const wrong = settingOfOtherKind(old, request);
  if (wrong !== undefined)
    return refuse("rule-setting-of-other-kind", { rule: old.id, setting: wrong, kind: old.kind });
  if (old.kind === "vm-affinity") {
    return planEdit(view, found.stored, { ...old, ...common, affinity: request.affinity ?? old.affinity }, asked);
  }
  const hosts = request.hosts === undefined ? undefined : resolveHosts(view, old.id, request.hosts);
  if (hosts?.kind === "refused") return hosts;
  const { strict = old.strict } = request;
  return planEdit(view, found.stored, { ...old, ...common, hosts: hosts?.hosts ?? old.hosts, strict }, asked);
}

/** Removes a rule, unless another one could be followed only beside it (AF6). */
export function planRemoveRule(view: ClusterView, wanted: string, asked: Asked): Planned {
  const found = findRule(view, wanted);
  return found.kind === "refused" ? found : planEdit(view, found.stored, undefined, asked);
}

function settingOfOtherKind(rule: Rule, request: SetRuleRequest): string | undefined {
  const others = rule.kind === "host-affinity" ? (["affinity"] as const) : (["hosts", "strict"] as const);
  return others.find((setting) => request[setting] !== undefined);
}

function changedVms(view: ClusterView, rule: Rule, request: SetRuleRequest): ReturnType<typeof resolveVms> {
  const { vms, addVms = [], removeVms = [] } = request;
  if (vms !== undefined) {
    if (addVms.length + removeVms.length > 0) return refuse("rule-vms-contradict", { rule: rule.id });
    return resolveVms(view, rule.id, vms);
  }
  const left = withoutVms(view, rule, removeVms);
  if (left.kind === "refused") return left;
  const all = resolveVms(view, rule.id, addVms, left.vms);
  if (all.kind === "refused") return all;
  // The VM that is added and removed at once is there in the end: whoever asked for both meant one of them.
  const back =
    removeVms.length === 0 ? undefined : rule.vms.find((vm) => !left.vms.includes(vm) && all.vms.includes(vm));
  if (back !== undefined) return refuse("rule-vms-contradict", { rule: rule.id });
  return all;
}

/**
 * Writes one rule anew, or removes it. All rules, hosts and VMs that the checks rest on are compared: a concurrent edit
 * of any rule by the key of the last edit, a concurrent deletion of any VM by the key of the last deletion (AF6).
 */
function planEdit(view: ClusterView, before: Stored<Rule> | undefined, after: Rule | undefined, asked: Asked): Planned {
  const rule = must(after ?? before?.value, "Cannot edit nothing");
  if (after !== undefined && isSame(after, before?.value)) return refuse("rule-nothing-to-change", { rule: rule.id });
  const refused = refuseItself(view, after) ?? refuseFailing(view, rule.id, after);
  if (refused !== undefined) return refused;
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.rule(rule.id), before),
        unchanged(keys.lastRuleEdit, view.lastRuleEdit),
        unchanged(keys.lastVmDeletion, view.lastVmDeletion),
        ...hostsNamed(after).map((host) => unchanged(keys.member(host), view.members.get(host))),
      ],
      [
        after === undefined ? remove(keys.rule(rule.id)) : put(keys.rule(rule.id), after),
        put(keys.lastRuleEdit, lastEdit(asked)),
      ],
    ),
    outcome: { kind: after === undefined ? "rule-removed" : "rule-written", rule: rule.id },
    events: [tellEdit(view, rule.id, before?.value, after, asked)],
  };
}

export function lastEdit(asked: Asked): LastEdit {
  return { schema: 1, requestId: asked.actor.requestId };
}

function hostsNamed(rule: Rule | undefined): HostId[] {
  return rule?.kind === "host-affinity" ? rule.hosts.map(({ host }) => host) : [];
}

function refuseItself(view: ClusterView, rule: Rule | undefined): Refusal | undefined {
  if (rule === undefined) return undefined;
  if (rule.vms.length === 0) return refuse("rule-would-be-empty", { rule: rule.id });
  if (rule.kind === "host-affinity" && rule.hosts.length === 0) return refuse("rule-without-hosts", { rule: rule.id });
  const counts = new Map<VmId, number>(rule.vms.map((vm) => [vm, 1]));
  for (const { value } of view.rules.values()) {
    if (value.id === rule.id) continue;
    for (const vm of value.vms) {
      const count = counts.get(vm);
      if (count !== undefined) counts.set(vm, count + 1);
    }
  }
  const [full] = [...counts].filter(([, count]) => count > ruleLimits.rulesPerVm);
  return full && refuse("vm-in-too-many-rules", { vm: vmName(view, full[0]), most: ruleLimits.rulesPerVm });
}

/**
 * Whatever fails after the edit and did not before refuses it. What failed already does not: so that a mess can be
 * cleared up step by step.
 */
function refuseFailing(view: ClusterView, edited: RuleId, after: Rule | undefined): Refusal | undefined {
  const rules = allRules(view).filter((rule) => rule.id !== edited);
  if (after !== undefined) rules.push(after);
  const failed = ruleBook(view).failing;
  const failing = checkRules(rules, hostsOf(view), namesOf(view));
  // The edited rule's own reason says best what is wrong.
  const own = failing.get(edited);
  for (const [id, reasons] of [...(own === undefined ? [] : [[edited, own] as const]), ...failing]) {
    const known = new Set(failed.get(id)?.map((reason) => reason.code));
    const reason = reasons.find(({ code }) => !known.has(code));
    if (reason !== undefined) return refuse(reason.code, reason.params);
  }
  return refuseCrowded(
    view,
    rules.filter((rule) => rule.enabled && !failing.has(rule.id)),
  );
}

/** The same for VMs that are apart and have too few hosts left. */
function refuseCrowded(view: ClusterView, sound: readonly Rule[]): Refusal | undefined {
  const crowded = crowdedRules(sound, hostsOf(view));
  if (crowded.size === 0) return undefined;
  const { failing } = ruleBook(view);
  const old = allRules(view).filter((rule) => rule.enabled && !failing.has(rule.id));
  const before = crowdedRules(old, hostsOf(view));
  const found = [...crowded].find(([id]) => !before.has(id));
  if (found === undefined) return undefined;
  const [rule, crowd] = found;
  const names = namesOf(view);
  const params = { vms: someOf(crowd.vms.map(names.vm)), hosts: someOf(crowd.hosts.map(names.host)) };
  return refuse("rule-vms-crowd-on-hosts", { rule, ...params });
}

function tellEdit(
  view: ClusterView,
  rule: RuleId,
  before: Rule | undefined,
  after: Rule | undefined,
  asked: Asked,
): EventDraft {
  const tell = (type: string, params: Params): EventDraft => {
    return { type, subjects: {}, params, reason: null, alternatives: [], actor: asked.actor };
  };
  if (after === undefined) return tell("rule-removed", { rule });
  const params = { rule, ...ruleTexts(view, after) };
  if (before === undefined) return tell("rule-added", params);
  if (before.enabled !== after.enabled) return tell(after.enabled ? "rule-enabled" : "rule-disabled", params);
  return tell("rule-changed", params);
}
