import type { HostId, RuleId, VmId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";

/** What the rules in force say, compiled for questions about one VM. */
export type RuleBook = {
  /** Undefined: not allowed there. 0 without a rule, else its priority; −1: a host that a rule which is not strict does not name. */
  readonly classOf: (vm: VmId, host: HostId) => number | undefined;
  readonly together: (vm: VmId) => ReadonlySet<VmId>;
  readonly apart: (vm: VmId) => ReadonlySet<VmId>;
  /** Rules that cannot hold, with why: nobody follows them. */
  readonly failing: ReadonlyMap<RuleId, readonly Reason[]>;
  readonly rulesOf: (vm: VmId) => readonly RuleId[];
};

const nobody: ReadonlySet<VmId> = new Set();
const empty: RuleBook = {
  classOf: () => 0,
  together: () => nobody,
  apart: () => nobody,
  failing: new Map(),
  rulesOf: () => [],
};

export function ruleBook(_view: ClusterView): RuleBook {
  return empty;
}
