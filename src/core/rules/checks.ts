import { compareText } from "../../base/order.ts";
import type { HostId, RuleId, VmId } from "../../model/ids.ts";
import type { Params, Reason } from "../../model/reason.ts";
import type { HostAffinityRule, Rule, VmAffinityRule } from "../../model/rules.ts";
import { isApart, isTogether, type Team, teamsOf } from "./teams.ts";

/** How people call what a reason names; ids where nothing else is known. */
export type Names = { readonly vm: (vm: VmId) => string; readonly host: (host: HostId) => string };
export const idsAsNames: Names = { vm: (vm) => vm, host: (host) => host };

/** The rules that are on, by kind and by VM, in order of id. */
type Enabled = {
  readonly hostRules: readonly HostAffinityRule[];
  readonly together: readonly VmAffinityRule[];
  readonly apart: readonly VmAffinityRule[];
  readonly hostRulesOf: ReadonlyMap<VmId, readonly HostAffinityRule[]>;
  readonly vmRulesOf: ReadonlyMap<VmId, readonly VmAffinityRule[]>;
  readonly teamOf: ReadonlyMap<VmId, Team>;
};
type Context = Enabled & { readonly hosts: ReadonlySet<HostId>; readonly names: Names; readonly fail: Fail };
type Fail = (rules: Iterable<Rule>, rule: string, code: string, params: Params) => void;

/**
 * Which rules cannot be followed, and why: all that fail any check, each found on the whole set, so that none hides
 * another (AF1–AF3). Rules that are off count nowhere. `hosts`: those that may run VMs. Each check gives a rule one
 * reason, with the first thing it is about in order of id. Linear in the number of rules and of what they name.
 */
export function checkRules(
  rules: readonly Rule[],
  hosts: ReadonlySet<HostId>,
  names: Names = idsAsNames,
): ReadonlyMap<RuleId, readonly Reason[]> {
  const failing = new Map<RuleId, Reason[]>();
  const fail: Fail = (about, rule, code, params) => {
    for (const { id } of about) {
      const reasons = failing.get(id) ?? [];
      failing.set(id, reasons);
      if (!reasons.some((reason) => reason.code === code)) reasons.push({ rule, code, params });
    }
  };
  const context = { ...sortOut(rules), hosts, names, fail };
  checkOneHostRulePerVm(context);
  checkTwoVms(context);
  checkMoreVmsThanHosts(context);
  checkTogetherAndApart(context);
  checkOnePriority(context);
  checkOneHostRulePerTeam(context);
  checkHostsToBeApart(context);
  return failing;
}

function sortOut(rules: readonly Rule[]): Enabled {
  const on = rules.filter((rule) => rule.enabled).sort((a, b) => compareText(a.id, b.id));
  const hostRules = on.filter((rule) => rule.kind === "host-affinity");
  const vmRules = on.filter((rule) => rule.kind === "vm-affinity");
  const together = vmRules.filter(isTogether);
  return {
    hostRules,
    together,
    apart: vmRules.filter(isApart),
    hostRulesOf: byVm(hostRules),
    vmRulesOf: byVm(vmRules),
    teamOf: teamsOf(together),
  };
}

function byVm<R extends Rule>(rules: readonly R[]): Map<VmId, R[]> {
  const found = new Map<VmId, R[]>();
  for (const rule of rules) {
    for (const vm of new Set(rule.vms)) {
      const list = found.get(vm);
      if (list === undefined) found.set(vm, [rule]);
      else list.push(rule);
    }
  }
  return found;
}

/** For a sentence: the first few, and how many there are. */
function some(texts: readonly string[]): string {
  return texts.length <= 5 ? texts.join(", ") : `${texts.slice(0, 5).join(", ")}, … (${texts.length} in all)`;
}

const idsOf = (rules: Iterable<Rule>): string => some([...rules].map((rule) => rule.id));

/** A VM may be in one host rule only. */
function checkOneHostRulePerVm({ hostRulesOf, names, fail }: Context): void {
  for (const [vm, found] of hostRulesOf) {
    const [first, second] = found;
    if (first === undefined || second === undefined) continue;
    for (const rule of found) {
      // The same words for both of a pair: they are told once.
      const other = rule === first ? second : rule;
      fail([rule], "AF1", "rule-vm-in-two-host-rules", { rule: first.id, other: other.id, vm: names.vm(vm) });
    }
  }
}

/** A rule among VMs needs two of them. */
function checkTwoVms({ together, apart, names, fail }: Context): void {
  for (const rule of [...together, ...apart]) {
    const [vm, ...others] = new Set(rule.vms);
    if (vm !== undefined && others.length === 0) {
      fail([rule], "AF2", "rule-needs-two-vms", { rule: rule.id, vm: names.vm(vm) });
    }
  }
}

/** No more VMs can be apart than there are hosts. */
function checkMoreVmsThanHosts({ apart, hosts, fail }: Context): void {
  for (const rule of apart) {
    const vms = new Set(rule.vms).size;
    if (vms > hosts.size) {
      fail([rule], "AF2", "rule-more-vms-than-hosts", { rule: rule.id, vms, hosts: hosts.size });
    }
  }
}

/** Two VMs of one team may not be apart as well. */
function checkTogetherAndApart({ apart, teamOf, names, fail }: Context): void {
  const blamed = new Set<Team>();
  for (const rule of apart) {
    const seen = new Map<Team, VmId>();
    for (const vm of new Set(rule.vms)) {
      const team = teamOf.get(vm);
      if (team === undefined) continue;
      const other = seen.get(team);
      seen.set(team, other ?? vm);
      if (other === undefined) continue;
      const params = { together: idsOf(team.rules), apart: rule.id, vm: names.vm(other), other: names.vm(vm) };
      fail([rule], "AF3", "rule-together-and-apart", params);
      if (!blamed.has(team)) fail(team.rules, "AF3", "rule-together-and-apart", params);
      blamed.add(team);
    }
  }
}

/** A VM with a rule among VMs may be in a host rule of one single priority only. */
function checkOnePriority({ hostRules, vmRulesOf, names, fail }: Context): void {
  const blamed = new Set<VmAffinityRule>();
  for (const hostRule of hostRules) {
    if (new Set(hostRule.hosts.map((host) => host.priority)).size < 2) continue;
    for (const vm of hostRule.vms) {
      const bound = vmRulesOf.get(vm) ?? [];
      const params = (vmRule: Rule) => ({ hostRule: hostRule.id, vmRule: vmRule.id, vm: names.vm(vm) });
      const [first] = bound;
      if (first === undefined) continue;
      fail([hostRule], "AF1", "rule-priorities-beside-vm-rule", params(first));
      for (const rule of bound) {
        if (!blamed.has(rule)) fail([rule], "AF1", "rule-priorities-beside-vm-rule", params(rule));
        blamed.add(rule);
      }
    }
  }
}

/** The VMs of a team may be in one host rule in all. */
function checkOneHostRulePerTeam({ hostRulesOf, teamOf, names, fail }: Context): void {
  for (const team of new Set(teamOf.values())) {
    const found = new Map<HostAffinityRule, VmId>();
    for (const vm of team.members) {
      for (const rule of hostRulesOf.get(vm) ?? []) if (!found.has(rule)) found.set(rule, vm);
    }
    const entries = [...found];
    const [one, two] = entries;
    if (one === undefined || two === undefined) continue;
    const params = ([rule, vm]: [Rule, VmId], [other, otherVm]: [Rule, VmId]): Params => ({
      together: idsOf(team.rules),
      hostRule: rule.id,
      vm: names.vm(vm),
      other: other.id,
      otherVm: names.vm(otherVm),
    });
    fail(team.rules, "AF1", "rule-team-in-two-host-rules", params(one, two));
    for (const entry of entries) {
      fail([entry[0]], "AF1", "rule-team-in-two-host-rules", params(one, entry === one ? two : entry));
    }
  }
}

/** VMs that are apart and bound to hosts need as many of those hosts as they are: necessary, not sufficient. */
function checkHostsToBeApart({ apart, hostRulesOf, hosts, names, fail }: Context): void {
  for (const rule of apart) {
    const vms = [...new Set(rule.vms)].filter((vm) => hostRulesOf.has(vm)).sort(compareText);
    const touching = new Set(vms.flatMap((vm) => hostRulesOf.get(vm) ?? []));
    const allowed = new Set([...touching].flatMap((one) => one.hosts.map(({ host }) => host)));
    const there = [...allowed].filter((host) => hosts.has(host)).sort(compareText);
    if (there.length >= vms.length) continue;
    fail([rule, ...touching], "AF2", "rule-too-few-hosts-to-be-apart", {
      rule: rule.id,
      vms: some(vms.map(names.vm)),
      count: vms.length,
      hostRules: idsOf([...touching].sort((a, b) => compareText(a.id, b.id))),
      hosts: there.length === 0 ? "none" : some(there.map(names.host)),
    });
  }
}
