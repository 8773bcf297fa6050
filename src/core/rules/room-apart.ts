import { compareText } from "../../base/order.ts";
import type { HostId, RuleId, VmId } from "../../model/ids.ts";
import type { Rule } from "../../model/rules.ts";
import { bookOf } from "./rule-book.ts";
import { isApart } from "./teams.ts";

/** VMs of one rule that have fewer hosts between them than they are. */
export type Crowd = { readonly vms: readonly VmId[]; readonly hosts: readonly HostId[] };

/**
 * Of rules that are on and pass the checks, those that yet cannot be followed for all their VMs, because strict rules leave
 * some of them too few hosts between them: exact for one rule by itself. They are followed as far as they go; an edit does
 * not lead there (AF6).
 */
export function crowdedRules(rules: readonly Rule[], hosts: ReadonlySet<HostId>): ReadonlyMap<RuleId, Crowd> {
  const { classOf } = bookOf(rules);
  const crowds = new Map<RuleId, Crowd>();
  for (const rule of rules) {
    if (!isApart(rule)) continue;
    const bound = new Map<VmId, readonly HostId[]>();
    for (const vm of [...rule.vms].sort(compareText)) {
      const allowed = [...hosts].filter((host) => classOf(vm, host) !== undefined);
      // A VM that may run anywhere takes what is left: there are enough hosts for all.
      if (allowed.length < hosts.size) bound.set(vm, allowed);
    }
    const crowd = crowdAmong(bound);
    if (crowd !== undefined) crowds.set(rule.id, crowd);
  }
  return crowds;
}

/** Gives each VM a host of its own, moving earlier ones aside; who cannot get one, and all that stand in its way. */
function crowdAmong(bound: ReadonlyMap<VmId, readonly HostId[]>): Crowd | undefined {
  const taken = new Map<HostId, VmId>();
  const settle = (vm: VmId, seen: Set<HostId>): boolean => {
    for (const host of bound.get(vm) ?? []) {
      if (seen.has(host)) continue;
      seen.add(host);
      const other = taken.get(host);
      if (other !== undefined && !settle(other, seen)) continue;
      taken.set(host, vm);
      return true;
    }
    return false;
  };
  for (const vm of bound.keys()) {
    const seen = new Set<HostId>();
    if (settle(vm, seen)) continue;
    const inTheWay = [...seen].flatMap((host) => taken.get(host) ?? []);
    return { vms: [vm, ...inTheWay].sort(compareText), hosts: [...seen].sort(compareText) };
  }
  return undefined;
}
