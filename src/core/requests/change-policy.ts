import { inKeyOrder, valuesInKeyOrder } from "../../base/order.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy, type Policy } from "../../model/policy.ts";
import { type Params, type Refusal, refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import { linkNames } from "../migration-links.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { toldOfCluster } from "./disarm.ts";
import { refuseUnreadable } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

type Patch<T> = {
  readonly [K in keyof T]?:
    | (T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Patch<T[K]> : T[K])
    | undefined;
};
export type PolicyPatch = Patch<Omit<Policy, "schema">>;

/** Changes what holds for the whole cluster: all of it or, where the result would contradict itself, nothing. */
export function planSetPolicy(view: ClusterView, patch: PolicyPatch, asked: Asked): Planned {
  const unreadable = refuseUnreadable(view, keys.policy);
  if (unreadable !== undefined) return unreadable;
  const old = view.policy?.value ?? defaultPolicy;
  const policy: Policy = {
    ...old,
    ...given(patch),
    scheduler: {
      ...old.scheduler,
      ...given(patch.scheduler ?? {}),
      autoRebalance: { ...old.scheduler.autoRebalance, ...given(patch.scheduler?.autoRebalance ?? {}) },
    },
    quarantine: { ...old.quarantine, ...given(patch.quarantine ?? {}) },
    migration: { ...old.migration, ...given(patch.migration ?? {}) },
  } as Policy;
  const before = new Map(settings(old));
  const changed = settings(policy).filter(([name, value]) => before.get(name) !== value);
  if (changed.length === 0) return refuse("policy-nothing-to-change", {});
  const contradiction = refuseContradiction(view, policy, new Set(changed.map(([name]) => name)));
  if (contradiction !== undefined) return contradiction;
  const to = changed.map(([name, value]) => `${name} ${value}`).join(", ");
  return {
    kind: "plan",
    transaction: transaction([unchanged(keys.policy, view.policy)], [put(keys.policy, policy)]),
    outcome: { kind: "cluster-changed" },
    events: [toldOfCluster("policy-changed", { to, ...moveLimit(old, policy) }, asked)],
  };
}

/** What later figures of moves are held against (FC1); "none": no limit. */
function moveLimit(old: Policy, { migration }: Policy): Params {
  if (migration.bandwidthMiBps === old.migration.bandwidthMiBps) return {};
  return { moveLimitMiBps: migration.bandwidthMiBps ?? "none" };
}

/** Fields that are named without a value are not named. */
function given(patch: object): object {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

/** `scheduler.mode` and so on, with their values; a list is one value. */
function settings(part: object, prefix = ""): [string, unknown][] {
  return Object.entries(part).flatMap(([name, value]): [string, unknown][] => {
    if (Array.isArray(value)) return [[`${prefix}${name}`, value.join(" then ") || "default"]];
    if (typeof value === "object" && value !== null) return settings(value, `${prefix}${name}.`);
    return [[`${prefix}${name}`, value]];
  });
}

/** Held against what was asked for alone: what a change of the cluster made untrue does not refuse an edit of something else. */
function refuseContradiction(view: ClusterView, policy: Policy, changed: ReadonlySet<string>): Refusal | undefined {
  const { mode, autoRebalance } = policy.scheduler;
  const balances = changed.has("scheduler.mode") || changed.has("scheduler.autoRebalance.enabled");
  if (balances && autoRebalance.enabled && mode === "basic") return refuse("policy-rebalance-needs-figures", { mode });
  const hosts = valuesInKeyOrder(view.members).filter(({ value }) => value.role === "host").length;
  const wanted = policy.wantedHostLosses;
  if (changed.has("wantedHostLosses") && hosts > 0 && wanted >= hosts) {
    return refuse("policy-losses-impossible", { wanted, hosts, most: hosts - 1 });
  }
  const known = linkNames(view);
  const unknown = changed.has("migration.links") && policy.migration.links.find((link) => !known.includes(link));
  if (typeof unknown === "string")
    return refuse("policy-link-unknown", { link: unknown, known: known.join(", ") || "none" });
  const twice = policy.migration.links.find((link, i) => policy.migration.links.indexOf(link) < i);
  if (changed.has("migration.links") && twice !== undefined) return refuse("policy-link-twice", { link: twice });
  for (const [host, facts] of changed.has("hostReserveMiB") ? inKeyOrder(view.facts) : []) {
    const { memoryMiB } = facts.value;
    if (policy.hostReserveMiB >= memoryMiB) {
      return refuse("policy-reserve-too-large", { host, reserveMiB: policy.hostReserveMiB, memoryMiB });
    }
  }
  return undefined;
}
