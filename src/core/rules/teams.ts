import { compareText } from "../../base/order.ts";
import type { VmId } from "../../model/ids.ts";
import type { Rule, VmAffinityRule } from "../../model/rules.ts";

/** VMs that have to be on one host, by one rule or by a chain of rules that share VMs. */
export type Team = {
  /** In order of id, each once. */
  readonly members: readonly VmId[];
  /** The rules that made it, in the order given. */
  readonly rules: readonly VmAffinityRule[];
};

export function isTogether(rule: Rule): rule is VmAffinityRule {
  return rule.kind === "vm-affinity" && rule.affinity === "together";
}

export function isApart(rule: Rule): rule is VmAffinityRule {
  return rule.kind === "vm-affinity" && rule.affinity === "apart";
}

/**
 * Merges together-rules that share a VM, chains of any length included (AF4). The result does not depend on the rules'
 * order. By VM: a VM without such a rule has no team.
 */
export function teamsOf(rules: readonly VmAffinityRule[]): ReadonlyMap<VmId, Team> {
  const heads = new Map<VmId, VmId>();
  for (const rule of rules) {
    for (const vm of rule.vms) join(heads, rule.vms[0] ?? vm, vm);
  }
  const teams = new Map<VmId, { members: VmId[]; rules: VmAffinityRule[] }>();
  const teamOf = new Map<VmId, Team>();
  for (const vm of [...heads.keys()].sort(compareText)) {
    const head = headOf(heads, vm);
    const team = teams.get(head) ?? { members: [], rules: [] };
    teams.set(head, team);
    team.members.push(vm);
    teamOf.set(vm, team);
  }
  for (const rule of rules) {
    const [vm] = rule.vms;
    if (vm !== undefined) teams.get(headOf(heads, vm))?.rules.push(rule);
  }
  return teamOf;
}

/** Follows the heads to the last one and shortens the way for the next time. */
function headOf(heads: Map<VmId, VmId>, vm: VmId): VmId {
  let at = vm;
  for (;;) {
    const next = heads.get(at) ?? at;
    if (next === at) return at;
    const beyond = heads.get(next) ?? next;
    heads.set(at, beyond);
    at = beyond;
  }
}

function join(heads: Map<VmId, VmId>, a: VmId, b: VmId): void {
  if (!heads.has(a)) heads.set(a, a);
  if (!heads.has(b)) heads.set(b, b);
  const left = headOf(heads, a);
  const right = headOf(heads, b);
  if (left !== right) heads.set(right, left);
}
