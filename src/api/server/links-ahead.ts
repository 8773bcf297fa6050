import { valuesInKeyOrder } from "../../base/order.ts";
import type { Fix } from "../../core/admission-fix.ts";
import type { Forecast, Foreseen } from "../../core/foresee/forecast.ts";
import { linkOrder, moveLinks } from "../../core/migration-links.ts";
import { reason } from "../../core/placement/fitness.ts";
import type { Knowledge } from "../../core/placement/knowledge.ts";
import { hostName, vmName } from "../../core/requests/find.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { allCut, cutCode, judgeLinks, look, type Sight, wayTo } from "./cut-links.ts";

type Unreached = ReadonlyMap<HostId, Reason>;

/**
 * Hosts over whose links with `from` no guest would get now, as far as is seen from here, with why. Nothing is kept of it: the
 * manager finds a cut only where a move fails, and this spares its first attempts.
 */
export async function unreachedFrom(sight: Sight, view: ClusterView, from: HostId): Promise<Unreached> {
  const here = view.members.get(from)?.value;
  if (here === undefined) return new Map();
  const others = valuesInKeyOrder(view.members)
    .map(({ value }) => value)
    .filter(({ id, role }) => id !== from && role === "host" && !view.maintenances.has(id) && !isFenced(view, id));
  const found = await Promise.all(
    others.map(async (to): Promise<[HostId, Reason][]> => {
      const way = { from: here, links: moveLinks(here, to, linkOrder(view)) };
      const tried = await allCut(sight, way, to.id);
      if (tried === undefined) return [];
      return [[to.id, reason("HM2", "forecast-links-cut", { from: here.name, host: to.name, tried })]];
    }),
  );
  return new Map(found.flat());
}

/** It takes no guests, whatever its links are like. */
function isFenced(view: ClusterView, host: HostId): boolean {
  const incarnation = view.hosts.get(host)?.value.incarnation;
  return incarnation === undefined || fenceOf(view, host, incarnation) !== undefined;
}

/** What is foreseen of a host that is to be empty, with the links as they are now. */
export async function foreseeOverLinks(
  options: Sight,
  view: ClusterView,
  host: HostId,
  play: (unreached: NonNullable<Knowledge["unreached"]>) => Forecast,
): Promise<Forecast> {
  const sight = lookingOnce(options);
  const unreached = await unreachedFrom(sight, view, host);
  const found = play(new Map([[host, new Set(unreached.keys())]]));
  const vms = await withCutLinks(sight, view, found.vms);
  // Of a guest that stays for it the plan says so itself.
  const isSaid = new Set(vms.flatMap(({ becomes, why }) => (becomes === "stays" ? [why?.params["host"]] : [])));
  const isToldOf = vms.some((one) => goesOverLinks(one) && one.from === host);
  const notes = isToldOf ? [...unreached.values()].filter(({ params }) => !isSaid.has(params["host"])) : [];
  return { ...found, course: [...found.course, ...notes], vms };
}

/** Each address is asked once for all that is foreseen with one answer. */
function lookingOnce({ clock, self, links }: Sight): Sight {
  if (links === undefined) return { clock, self };
  const known = new Map<string, Promise<readonly string[]>>();
  const ask = (asked: readonly string[]): Promise<readonly string[]> =>
    new Promise((resolve) => links.answering(asked, resolve));
  return {
    clock,
    self,
    links: {
      answering: (addresses, done) => {
        const key = addresses.join(" ");
        const answer = known.get(key) ?? ask(addresses);
        known.set(key, answer);
        void answer.then(done);
      },
    },
  };
}

function goesOverLinks({ becomes, loses, via }: Pick<Foreseen, "becomes" | "loses" | "via">): boolean {
  return becomes === "moves" && loses === null && via === undefined;
}

/** What was foreseen without a look at the links: a guest that could not be sent stays where it is. */
async function withCutLinks(options: Sight, view: ClusterView, vms: readonly Foreseen[]): Promise<readonly Foreseen[]> {
  return Promise.all(
    vms.map(async (foreseen): Promise<Foreseen> => {
      const { vm, from, to } = foreseen;
      if (!goesOverLinks(foreseen) || to === null) return foreseen;
      const { why, unseen } = await whyNotSent(options, view, vm, to);
      if (why === undefined) return unseen === undefined ? foreseen : { ...foreseen, unseen };
      const fix = await otherLinks(options, view, vm, to);
      const nothing = { afterMs: null, downMs: null, restsOn: [], guessed: [] };
      return { ...foreseen, ...nothing, becomes: "stays", to: from, why, fix };
    }),
  );
}

async function whyNotSent(
  options: Sight,
  view: ClusterView,
  id: VmId,
  to: HostId,
): Promise<{ readonly why?: Reason; readonly unseen?: Reason }> {
  const way = wayTo(view, id, to);
  if (way?.links.length === 0) {
    const params = { vm: vmName(view, id), from: way.from.name, host: hostName(view, to) };
    return { why: reason("HM4", "move-no-common-link", params) };
  }
  const { cut, ...seen } = await judgeLinks(options, view, id, to);
  return cut === undefined ? seen : { why: reason("HM4", cutCode, cut.told) };
}

/** Links that the policy leaves out, and that are not known to be cut: with them the guest could be sent. */
async function otherLinks(options: Sight, view: ClusterView, id: VmId, to: HostId): Promise<Fix | null> {
  const [way, host] = [wayTo(view, id, to), view.members.get(to)?.value];
  if (way === undefined || host === undefined) return null;
  const named = new Set(way.links.map(({ subnet }) => subnet));
  const all = moveLinks(way.from, host, { ...linkOrder(view), order: [] });
  const others = all.filter(({ subnet }) => !named.has(subnet));
  const seen = await look(options, { ...way, links: others }, to);
  const bad = [...(seen?.cut ?? others), ...(seen?.unseen ?? [])];
  const left = others.filter((link) => !bad.includes(link)).map(({ subnet }) => subnet);
  return left.length === 0 ? null : reason("HM4", "fix-move-links", { links: left.join(", ") });
}
