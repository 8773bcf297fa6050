import { compareText } from "../../base/order.ts";
import { type HostId, noRevision, type Revision, type RuleId, type VmId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { HostAffinityRule, Rule, VmAffinityRule } from "../../model/rules.ts";
import type { ClusterView } from "../../model/view.ts";
import { checkRules, idsAsNames, type Names } from "./checks.ts";
import { isTogether, type Team, teamsOf } from "./teams.ts";

/** The rules as placement follows them: what fails is left out, the rest is merged. */
export type RuleBook = {
  /** undefined: not allowed there; -1: another host of a rule that is not strict; 0: no rule; the larger the better. */
  readonly classOf: (vm: VmId, host: HostId) => number | undefined;
  /** The highest class that any host has for it. */
  readonly topClassOf: (vm: VmId) => number;
  /** With whom it has to be on one host, chains included, without itself (AF4). */
  readonly together: (vm: VmId) => ReadonlySet<VmId>;
  /** With whom it may not be on one host: also what the VMs that it is together with are kept apart from (AF4). */
  readonly apart: (vm: VmId) => ReadonlySet<VmId>;
  /** Rules that are on and cannot be followed, with why (AF1–AF3). */
  readonly failing: ReadonlyMap<RuleId, readonly Reason[]>;
  /** Whether any rule binds it: the quick question before the others. */
  readonly binds: (vm: VmId) => boolean;
  /** The rules that bind it, its own and those it has by what it is together with, in order of id. */
  readonly rulesOf: (vm: VmId) => readonly RuleId[];
};

/** VMs that are bound alike: a team, or one VM alone. */
type Unit = {
  readonly members: readonly VmId[];
  readonly together: readonly VmAffinityRule[];
  readonly apart: VmAffinityRule[];
  hostRule: HostAffinityRule | undefined;
  /** Made when first asked for. */
  apartFrom: ReadonlySet<VmId> | undefined;
};

type Kept = { readonly rule: Revision; readonly member: Revision; readonly vm: Revision; readonly book: RuleBook };

// The map of rules stays the same object through all changes of its view, and in copies made to imagine something.
const kept = new WeakMap<ClusterView["rules"], Kept & { readonly members: ClusterView["members"] }>();

/** The book of a view's rules, made anew only when a rule or a member has changed, or a VM whose name a reason has. */
export function ruleBook(view: ClusterView): RuleBook {
  const at = (kind: "rule" | "member" | "vm") => view.changedAt.get(kind) ?? noRevision;
  const now = { rule: at("rule"), member: at("member"), vm: at("vm") };
  const before = kept.get(view.rules);
  const valid =
    before !== undefined &&
    before.members === view.members &&
    before.rule === now.rule &&
    before.member === now.member &&
    (before.vm === now.vm || before.book.failing.size === 0);
  if (valid) return before.book;
  const book = compileRules(allRules(view), hostsOf(view), namesOf(view));
  kept.set(view.rules, { ...now, members: view.members, book });
  return book;
}

export function allRules(view: ClusterView): Rule[] {
  return [...view.rules.values()].map((stored) => stored.value);
}

/** Members that may run VMs. */
export function hostsOf(view: ClusterView): ReadonlySet<HostId> {
  const hosts = [...view.members.values()].filter((member) => member.value.role === "host");
  return new Set(hosts.map((member) => member.value.id));
}

export function namesOf(view: ClusterView): Names {
  return {
    vm: (vm) => view.vms.get(vm)?.value.name ?? vm,
    host: (host) => view.members.get(host)?.value.name ?? host,
  };
}

const nobody: ReadonlySet<VmId> = new Set();
const noRules: readonly RuleId[] = [];

/** The book of the rules that `checkRules` finds nothing against. */
export function compileRules(rules: readonly Rule[], hosts: ReadonlySet<HostId>, names: Names = idsAsNames): RuleBook {
  const failing = checkRules(rules, hosts, names);
  return { ...bookOf(rules.filter((rule) => rule.enabled && !failing.has(rule.id))), failing };
}

/** Merges and compiles rules unchecked, in any order. Linear in what they name; sets of VMs are made when asked for. */
export function bookOf(given: readonly Rule[]): Omit<RuleBook, "failing"> {
  const rules = [...given].sort((a, b) => compareText(a.id, b.id));
  const units = unitsOf(rules);
  const classes = classesOf(rules);
  const tops = new Map([...classes].map(([rule, found]) => [rule, Math.max(...found.values())]));
  const togetherOf = new Map<VmId, ReadonlySet<VmId>>();
  return {
    classOf: (vm, host) => {
      const rule = units.get(vm)?.hostRule;
      if (rule === undefined) return 0;
      return classes.get(rule)?.get(host) ?? (rule.strict ? undefined : -1);
    },
    topClassOf: (vm) => {
      const rule = units.get(vm)?.hostRule;
      return rule === undefined ? 0 : (tops.get(rule) ?? 0);
    },
    together: (vm) => {
      const unit = units.get(vm);
      if (unit === undefined || unit.members.length < 2) return nobody;
      const known = togetherOf.get(vm) ?? new Set(unit.members.filter((other) => other !== vm));
      togetherOf.set(vm, known);
      return known;
    },
    apart: (vm) => {
      const unit = units.get(vm);
      if (unit === undefined || unit.apart.length === 0) return nobody;
      unit.apartFrom ??= new Set(opponents(unit, units));
      return unit.apartFrom;
    },
    binds: (vm) => units.has(vm),
    rulesOf: (vm) => {
      const unit = units.get(vm);
      if (unit === undefined) return noRules;
      const found = [...(unit.hostRule === undefined ? [] : [unit.hostRule]), ...unit.together, ...unit.apart];
      return found.map((rule) => rule.id).sort(compareText);
    },
  };
}

/** Whatever binds one VM of a team binds all of them: they run on one host. */
function unitsOf(rules: readonly Rule[]): ReadonlyMap<VmId, Unit> {
  const units = new Map<VmId, Unit>();
  const ofTeam = new Map<Team, Unit>();
  for (const [vm, team] of teamsOf(rules.filter(isTogether))) {
    const unit = ofTeam.get(team) ?? newUnit(team.members, team.rules);
    ofTeam.set(team, unit);
    units.set(vm, unit);
  }
  for (const rule of rules) {
    if (isTogether(rule)) continue;
    for (const vm of rule.vms) {
      const unit = units.get(vm) ?? newUnit([vm], []);
      units.set(vm, unit);
      if (rule.kind === "host-affinity") unit.hostRule ??= rule;
      // A rule comes for all its VMs in a row: it can only be the last one already.
      else if (unit.apart.at(-1) !== rule) unit.apart.push(rule);
    }
  }
  return units;
}

function newUnit(members: readonly VmId[], together: readonly VmAffinityRule[]): Unit {
  return { members, together, apart: [], hostRule: undefined, apartFrom: undefined };
}

function* opponents(unit: Unit, units: ReadonlyMap<VmId, Unit>): Generator<VmId> {
  for (const rule of unit.apart) {
    for (const vm of rule.vms) {
      const other = units.get(vm);
      if (other !== undefined && other !== unit) yield* other.members;
    }
  }
}

function classesOf(rules: readonly Rule[]): ReadonlyMap<HostAffinityRule, ReadonlyMap<HostId, number>> {
  const found = new Map<HostAffinityRule, ReadonlyMap<HostId, number>>();
  for (const rule of rules) {
    if (rule.kind !== "host-affinity") continue;
    found.set(rule, new Map(rule.hosts.map(({ host, priority }) => [host, priority])));
  }
  return found;
}
