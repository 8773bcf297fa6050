import { compareText, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId } from "../../model/ids.ts";
import { type Reason, type Refusal, refuse } from "../../model/reason.ts";
import type { Member } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { linkOrder, moveLinks } from "../migration-links.ts";
import { reason } from "../placement/fitness.ts";
import { findHost } from "../requests/find.ts";
import type { Present } from "./ahead.ts";
import { type Forecast, foreseeHostCut, foreseeOutage, noMajorityWithout } from "./forecast.ts";
import { whatCopiesLose, without } from "./link-copies.ts";
import { moveLimit } from "./move-time.ts";

/** Who asks: a host, and at which addresses it finds the store. */
export type StoreSeen = { readonly by: HostId; readonly addresses: readonly string[] };

/**
 * A link is lost: a kind of link or a subnet for all hosts, `HOST:LINK` for one. What matters to VMs is whether it carries
 * the store: without it nobody beats. One host's connection lost is that host lost to the others, though its VMs stand still instead (S2).
 */
export function foreseeLinkLoss(present: Present, wanted: string, store: StoreSeen): Forecast | Refusal {
  const { view } = present;
  const cut = wanted.lastIndexOf(":");
  const [hostName, link] = cut < 0 ? [undefined, wanted] : [wanted.slice(0, cut), wanted.slice(cut + 1)];
  const found = hostName === undefined ? undefined : findHost(view, hostName);
  if (found?.kind === "refused") return found;
  const members = [...view.members.values()].map(({ value }) => value);
  const named = (found === undefined ? members : [found.stored.value])
    .flatMap(({ links }) => links)
    .filter(isCalled(link));
  if (named.length === 0) return refuse("whatif-link-unknown", { link: wanted, known: linksOf(members) });
  const carrier = storeLink(view, store);
  if (carrier === undefined) return refuse("whatif-store-link-unknown", { host: store.by, link: wanted });
  if (!named.some(({ kind, subnet }) => kind === carrier.kind && subnet === carrier.subnet)) {
    const course = [
      reason("S8", "forecast-link-carries-no-store", { link: wanted }),
      ...whatMovesLose(view, named, wanted),
      ...whatCopiesLose(view, { name: wanted, links: named, storeServes: () => true }),
    ];
    return { course, vms: [], usual: present.durations.usual, limit: moveLimit(view) };
  }
  const host = found?.stored.value.id;
  const forecast = host === undefined ? foreseeOutage(present) : foreseeHostCut(present, host);
  const isServing = host !== undefined && noMajorityWithout(present, host) === undefined;
  const storeServes = (from: HostId): boolean => isServing && from !== host;
  return {
    ...forecast,
    course: [...forecast.course, ...whatCopiesLose(view, { name: wanted, links: named, storeServes })],
  };
}

type Link = Member["links"][number];

/** Guests that run could not go from one of these hosts to the other any more; those that had no link before are not named. */
function whatMovesLose(view: ClusterView, lost: readonly Link[], link: string): Reason[] {
  const hosts = valuesInKeyOrder(view.members).flatMap(({ value }) => (value.role === "host" ? [value] : []));
  const order = linkOrder(view);
  const pairs = hosts.flatMap((from, i) => hosts.slice(i + 1).map((to) => ({ from, to })));
  const parted = pairs.filter(
    ({ from, to }) =>
      moveLinks(from, to, order).length > 0 && moveLinks(without(from, lost), without(to, lost), order).length === 0,
  );
  if (parted.length === 0) return [];
  const named = parted.slice(0, pairsNamedMax).map(({ from, to }) => `${from.name} and ${to.name}`);
  const more = parted.length > named.length ? [`${parted.length - named.length} more`] : [];
  return [reason("S15", "forecast-no-link-for-moves", { link, between: [...named, ...more].join(", ") })];
}

const pairsNamedMax = 6;

function isCalled(name: string): (link: Link) => boolean {
  return ({ kind, subnet }) => kind === name || subnet === name;
}

/** The link on which members have the addresses at which the store is asked. */
function storeLink(view: ClusterView, { addresses }: StoreSeen): Link | undefined {
  for (const { value } of view.members.values()) {
    const link = value.links.find(({ address }) => addresses.includes(address));
    if (link !== undefined) return link;
  }
  return undefined;
}

function linksOf(members: readonly Member[]): string {
  const names = members.flatMap(({ links }) => links.flatMap(({ kind, subnet }) => [kind, subnet]));
  return [...new Set(names)].sort(compareText).join(", ") || "none";
}
