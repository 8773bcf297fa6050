import { compareNatural, compareText, valuesInKeyOrder } from "../base/order.ts";
import type { HostId } from "../model/ids.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Check } from "../model/reason.ts";
import type { Member } from "../model/records.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { linkOrder, moveLinks, replicationLinks } from "./migration-links.ts";

/** What the policy allows, and somebody should know. */
export function policyChecks(view: ClusterView): Check[] {
  const { migration } = view.policy?.value ?? defaultPolicy;
  const shared = [...sharedLinks(view)].sort(([a], [b]) => compareNatural(a, b));
  const warnings = shared.map(([link, hosts]): Check => {
    const names = [...hosts].map((host) => view.members.get(host)?.value.name ?? host).sort(compareText);
    return {
      id: "migration-shares-replication",
      subject: link,
      level: "warn",
      params: { link, hosts: names.join(", ") },
    };
  });
  if (migration.tls) return warnings;
  return [{ id: "migration-without-tls", subject: "cluster", level: "warn", params: {} }, ...warnings];
}

/** Links over which guests move before all others while they carry the writes of groups as well, with the groups' hosts. */
function sharedLinks(view: ClusterView): Map<string, Set<HostId>> {
  const order = linkOrder(view);
  const hosts = threeOfEachKind(valuesInKeyOrder(view.members).map(({ value }) => value));
  const shared = new Map<string, Set<HostId>>();
  for (const { value: group } of valuesInKeyOrder(view.groups)) {
    const used = replicationSubnet(view, group);
    if (used === undefined) continue;
    for (const end of [group.source, group.target]) {
      const from = view.members.get(end)?.value;
      const others = hosts.filter(({ id }) => id !== end);
      const isShared = from !== undefined && others.some((to) => moveLinks(from, to, order)[0]?.subnet === used);
      if (isShared) shared.set(used, new Set([...(shared.get(used) ?? []), end]));
    }
  }
  return shared;
}

/** Where the copies are received, as that host says itself; before it has said so, where they will be. */
function replicationSubnet(view: ClusterView, { vms, source, target }: Group): string | undefined {
  const [from, to] = [view.members.get(source)?.value, view.members.get(target)?.value];
  if (from === undefined || to === undefined) return undefined;
  for (const { value } of view.replicas.values()) {
    if (!vms.includes(value.vm) || value.host !== target) continue;
    const address = value.receiver?.doors[0]?.address;
    const link = to.links.find((one) => one.address === address);
    if (link !== undefined) return link.subnet;
  }
  return replicationLinks(from, to)[0]?.subnet;
}

/** Of a thousand hosts with the same links three say it all, whichever of them is asked about. */
function threeOfEachKind(members: readonly Member[]): Member[] {
  const alike = Map.groupBy(
    members.filter(({ role }) => role === "host"),
    ({ links }) => links.map(({ kind, subnet }) => `${kind} ${subnet}`).join(),
  );
  return [...alike.values()].flatMap((all) => all.slice(0, 3));
}
