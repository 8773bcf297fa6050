import { compareNatural, compareText } from "../base/order.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Member } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";

/** A pair of addresses in one subnet, over which a guest may move. */
export type MoveLink = {
  readonly subnet: string;
  readonly from: string;
  readonly to: string;
  /** A move takes bandwidth from replication there: worth a warning. */
  readonly sharesReplication: boolean;
};

export type LinkOrder = {
  /** Subnets or kinds of links in the order of the cluster's policy; then only these. Empty: the default order. */
  readonly order: readonly string[];
  /** Subnets through which a default route of any host goes: the same for all hosts, as the order is. */
  readonly gateways: ReadonlySet<string>;
};

/** The policy's order, and what the hosts say of their routes. */
export function linkOrder(view: ClusterView): LinkOrder {
  const { links: order } = (view.policy?.value ?? defaultPolicy).migration;
  const gateways = new Set<string>();
  for (const [host, { value: facts }] of view.facts) {
    const routed = new Set(facts.routedAddresses);
    for (const { address, subnet } of view.members.get(host)?.value.links ?? [])
      if (routed.has(address)) gateways.add(subnet);
  }
  return { order, gateways };
}

/** What a policy may name: kinds and subnets of the links that the members have. */
export function linkNames(view: ClusterView): string[] {
  const all = [...view.members.values()].flatMap(({ value }) => value.links);
  return [...new Set(all.flatMap(({ kind, subnet }) => [kind, subnet]))].sort(compareText);
}

/**
 * The links between two hosts in the order in which they are tried: those without a default gateway first, because nothing
 * but the cluster is there; the cluster's own (management) link last, because heartbeats go over it. Among equals a link
 * made for moves comes first, then by subnet. Empty: the two have no link in common.
 */
export function moveLinks(from: Member, to: Member, { order, gateways }: LinkOrder): readonly MoveLink[] {
  const rank = (one: Ranked): number => (one.kind === "management" ? 4 : 0) + (gateways.has(one.subnet) ? 2 : 0);
  const made = (one: Ranked): number => (one.kind === "migration" ? 0 : 1);
  const links = [...new Set(from.links.map(({ subnet }) => subnet))]
    .flatMap((subnet) => linkIn(subnet, from, to))
    .sort((a, b) => rank(a) - rank(b) || made(a) - made(b) || compareNatural(a.subnet, b.subnet));
  if (order.length === 0) return links.map(({ link }) => link);
  const chosen = order.flatMap((name) => links.filter(({ subnet, kind }) => name === subnet || name === kind));
  return [...new Set(chosen)].map(({ link }) => link);
}

/** Which end of a move asks: what it can say of a link. */
export type LinkAsker = "from" | "to" | "other";

/**
 * Those of the links that are known to be cut. `answers`: the addresses of both ends, but its own, that answered whoever asks. Where
 * neither end answers somebody else, it is perhaps the one who asks that is cut off.
 */
export function cutLinks(
  links: readonly MoveLink[],
  asker: LinkAsker,
  answers: ReadonlySet<string>,
): readonly MoveLink[] {
  return links.filter(({ from, to }) => {
    const [here, there] = [answers.has(from), answers.has(to)];
    if (asker === "other") return here !== there;
    return asker === "from" ? !there : !here;
  });
}

/** Those of which somebody else than their two hosts sees nothing: neither end answers. */
export function unseenLinks(
  links: readonly MoveLink[],
  asker: LinkAsker,
  answers: ReadonlySet<string>,
): readonly MoveLink[] {
  return asker === "other" ? links.filter(({ from, to }) => !answers.has(from) && !answers.has(to)) : [];
}

/**
 * The links between two hosts in the order in which writes are sent to a copy: those made for it first. `subnet` of the first is
 * where they go as long as it works.
 */
export function replicationLinks(from: Member, to: Member): readonly MoveLink[] {
  const links = moveLinks(from, to, { order: [], gateways: new Set() });
  return [...links.filter((link) => link.sharesReplication), ...links.filter((link) => !link.sharesReplication)];
}

type Kind = Member["links"][number]["kind"];
type Ranked = { readonly subnet: string; readonly kind: Kind; readonly link: MoveLink };

/** Heartbeats or replication on either end make the whole subnet theirs. */
function linkIn(subnet: string, from: Member, to: Member): Ranked[] {
  const here = from.links.filter((link) => link.subnet === subnet);
  const there = to.links.filter((link) => link.subnet === subnet);
  const [a, b] = [here[0], there[0]];
  if (a === undefined || b === undefined) return [];
  const kinds = new Set([...here, ...there].map(({ kind }) => kind));
  const kind = (["management", "availability", "migration"] as const).find((one) => kinds.has(one)) ?? a.kind;
  const sharesReplication = kinds.has("availability");
  return [{ subnet, kind, link: { subnet, from: a.address, to: b.address, sharesReplication } }];
}
