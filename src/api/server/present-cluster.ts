import { defaultPolicy } from "../../model/policy.ts";
import type { ClusterView } from "../../model/view.ts";
import type { ClusterStatus } from "../contract/cluster.ts";
import type { PolicyOutput } from "../contract/policy.ts";

export function presentPolicy(view: ClusterView): PolicyOutput {
  const { schema, ...policy } = view.policy?.value ?? defaultPolicy;
  return policy;
}

export function presentDisarm(view: ClusterView): ClusterStatus["disarm"] {
  const disarm = view.disarm?.value;
  return disarm === undefined ? null : { mode: disarm.mode, by: disarm.by, at: disarm.at };
}
