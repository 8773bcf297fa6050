import type { HostId, VmId } from "../../model/ids.ts";
import type { Rule, VmAffinityRule } from "../../model/rules.ts";

/** What rules ask for, worked out step by step without the product's own book: slow, plain, and a second opinion. */
export class Closure {
  readonly #on: readonly Rule[];

  constructor(rules: Iterable<Rule>) {
    // A rule among VMs that has a single one left says nothing.
    this.#on = [...rules].filter((rule) => rule.enabled && (rule.kind === "host-affinity" || rule.vms.length > 1));
  }

  /** The VM and all that have to be where it is, chains included. */
  team(vm: VmId): ReadonlySet<VmId> {
    const team = new Set([vm]);
    for (let before = 0; before !== team.size; ) {
      before = team.size;
      for (const rule of this.#among("together"))
        if (rule.vms.some((one) => team.has(one))) for (const one of rule.vms) team.add(one);
    }
    return team;
  }

  /** All that may not be where it is: the teams of those that anyone of its team is kept apart from. */
  apart(vm: VmId): ReadonlySet<VmId> {
    const team = this.team(vm);
    const apart = new Set<VmId>();
    for (const rule of this.#among("apart")) {
      if (!rule.vms.some((one) => team.has(one))) continue;
      for (const one of rule.vms) if (!team.has(one)) for (const other of this.team(one)) apart.add(other);
    }
    return apart;
  }

  /** Undefined: not allowed there; -1: none of the hosts that are preferred; 0: nothing is said. */
  classOf(vm: VmId, host: HostId): number | undefined {
    const team = this.team(vm);
    for (const rule of this.#on) {
      if (rule.kind !== "host-affinity" || !rule.vms.some((one) => team.has(one))) continue;
      const named = rule.hosts.find((one) => one.host === host);
      return named?.priority ?? (rule.strict ? undefined : -1);
    }
    return 0;
  }

  /** Why the rules cannot all be followed; undefined: nothing is against it. */
  contradiction(hosts: number): string | undefined {
    for (const rule of this.#on) {
      const why = rule.kind === "host-affinity" ? this.#whyNotOn(rule) : this.#whyNotAmong(rule, hosts);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  #whyNotOn(rule: Extract<Rule, { kind: "host-affinity" }>): string | undefined {
    for (const vm of rule.vms) {
      const team = this.team(vm);
      const other = this.#on.find(
        (one) => one !== rule && one.kind === "host-affinity" && one.vms.some((member) => team.has(member)),
      );
      if (other !== undefined) return `${rule.id} and ${other.id} both say on which hosts ${vm} and its team run`;
      const ranked = new Set(rule.hosts.map(({ priority }) => priority)).size > 1;
      if (ranked && this.#on.some((one) => one.kind === "vm-affinity" && one.vms.includes(vm)))
        return `${rule.id} prefers some hosts for ${vm}, which a rule among VMs binds`;
    }
    return undefined;
  }

  #whyNotAmong(rule: VmAffinityRule, hosts: number): string | undefined {
    if (rule.affinity === "together") return undefined;
    if (rule.vms.length > hosts) return `${rule.id} keeps ${rule.vms.length} VMs apart on ${hosts} hosts`;
    for (const vm of rule.vms) {
      const both = rule.vms.find((one) => one !== vm && this.team(vm).has(one));
      if (both !== undefined) return `${rule.id} keeps ${vm} and ${both} apart, which have to be together`;
    }
    // Those of them that are bound to hosts need as many hosts as they are.
    const bound = rule.vms.filter((vm) => this.#on.some((one) => one.kind === "host-affinity" && one.vms.includes(vm)));
    const named = this.#on.flatMap((one) =>
      one.kind === "host-affinity" && one.vms.some((vm) => bound.includes(vm)) ? one.hosts.map(({ host }) => host) : [],
    );
    return new Set(named).size < bound.length ? `${rule.id} leaves ${bound.join(", ")} too few hosts` : undefined;
  }

  #among(affinity: VmAffinityRule["affinity"]): VmAffinityRule[] {
    return this.#on.filter((rule) => rule.kind === "vm-affinity" && rule.affinity === affinity) as VmAffinityRule[];
  }
}
