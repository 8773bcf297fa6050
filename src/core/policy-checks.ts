import { compareNatural, valuesInKeyOrder } from "../base/order.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Check } from "../model/reason.ts";
import type { Member } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { linkOrder, moveLinks } from "./migration-links.ts";

/** What the policy allows, and somebody should know. */
export function policyChecks(view: ClusterView): Check[] {
  const { migration } = view.policy?.value ?? defaultPolicy;
  const shared = sharedLinks(view).map((link): Check => {
    return { id: "migration-shares-replication", subject: link, level: "warn", params: { link } };
  });
  if (migration.tls) return shared;
  return [{ id: "migration-without-tls", subject: "cluster", level: "warn", params: {} }, ...shared];
}

/** Links over which guests move before all others, and which have to carry replicated writes as well. */
function sharedLinks(view: ClusterView): string[] {
  if (![...view.pools.values()].some(({ value }) => value.kind === "replicated")) return [];
  const order = linkOrder(view);
  const hosts = twoOfEachKind(valuesInKeyOrder(view.members).map(({ value }) => value));
  const shared = hosts.flatMap((from, i) =>
    hosts.slice(i + 1).flatMap((to) => {
      const [first] = moveLinks(from, to, order);
      return first?.sharesReplication === true ? [first.subnet] : [];
    }),
  );
  return [...new Set(shared)].sort(compareNatural);
}

/** Of a thousand hosts with the same links two say it all. */
function twoOfEachKind(members: readonly Member[]): Member[] {
  const alike = Map.groupBy(
    members.filter(({ role }) => role === "host"),
    ({ links }) => links.map(({ kind, subnet }) => `${kind} ${subnet}`).join(),
  );
  return [...alike.values()].flatMap((all) => all.slice(0, 2));
}
