import { must } from "../../src/base/assert.ts";
import type { Wish } from "../../src/core/placement/asked.ts";
import type { PlacementRound } from "../../src/core/placement/round.ts";
import { openRound } from "../../src/core/placement/round.ts";
import { type Placement, select } from "../../src/core/placement/select.ts";
import type { RuleBook } from "../../src/core/rules/rule-book.ts";
import type { HostId, RuleId, VmId } from "../../src/model/ids.ts";
import { knowledge } from "./decision-rig.ts";
import { type Records, vmId } from "./records.ts";

// A round of placement on records that a test writes, with rules that it says in short.

export type ShortRules = {
  /** Class by host, for each VM named; hosts that are not named are not allowed, unless `*` gives theirs. */
  readonly classes?: Record<string, Record<string, number>>;
  readonly together?: readonly (readonly string[])[];
  readonly apart?: readonly (readonly string[])[];
};

export function bookOf(rules: ShortRules): RuleBook {
  const others = (groups: readonly (readonly string[])[] = [], vm: VmId): Set<VmId> => {
    const ids = groups.map((group) => group.map(vmId)).filter((group) => group.includes(vm));
    return new Set(ids.flat().filter((id) => id !== vm));
  };
  const classesOf = (vm: VmId) => rules.classes?.[vm.slice("vm:".length)];
  const book = {
    classOf: (vm: VmId, host: HostId) => {
      const classes = classesOf(vm);
      return classes === undefined ? 0 : (classes[host] ?? classes["*"]);
    },
    topClassOf: (vm: VmId) => Math.max(0, ...Object.values(classesOf(vm) ?? {})),
    together: (vm: VmId) => others(rules.together, vm),
    apart: (vm: VmId) => others(rules.apart, vm),
    failing: new Map(),
  };
  const binds = (vm: VmId) => classesOf(vm) !== undefined || book.together(vm).size > 0 || book.apart(vm).size > 0;
  const rulesOf = (vm: VmId): RuleId[] => (binds(vm) ? ["some-rule" as RuleId] : []);
  return { ...book, binds, rulesOf };
}

export function roundOf(
  records: Records,
  rules: ShortRules = {},
  silentMs: Record<string, number> = {},
): PlacementRound {
  return { ...openRound(records.view, knowledge(records, silentMs)), book: bookOf(rules) };
}

export function choose(round: PlacementRound, name: string, wish: Wish): Placement {
  const vm = must(round.view.vms.get(vmId(name)), () => `Cannot place ${name}: there is no such VM`);
  return select(round, vm.value, wish);
}

export const on = (placement: Placement): string => (placement.kind === "place" ? placement.on : "nowhere");

/** Host and code of each alternative. */
export const whys = (placement: Placement): Record<string, string> =>
  Object.fromEntries(placement.alternatives.map(({ option, why }) => [option, why.code]));
