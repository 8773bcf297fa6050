import type { Fix } from "../../core/admission-fix.ts";
import type { Foreseen } from "../../core/foresee/forecast.ts";
import { cutLinks, linkOrder, type MoveLink, moveLinks, unseenLinks } from "../../core/migration-links.ts";
import { reason } from "../../core/placement/fitness.ts";
import { findHost, findVm, hostName, vmName } from "../../core/requests/find.ts";
import { wayOfMove } from "../../core/requests/move-target.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { type Params, type Reason, refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Mutation } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { answered } from "./wait.ts";

const code = "move-links-cut";

/** A guest that moves while it runs needs a link: looked at when nothing else speaks against the order, before it is recorded. */
export function linksFirst(
  options: ApiOptions,
  kind: "migrate" | "relocate",
  wanted: { readonly vm: string; readonly to: string },
): Mutation["prepare"] {
  if (kind !== "migrate") return undefined;
  const make = async () => {
    const view = options.view();
    const [vm, target] = [findVm(view, wanted.vm), findHost(view, wanted.to)];
    if (vm.kind === "refused" || target.kind === "refused") return undefined;
    const cut = await whyCut(options, view, vm.stored.value.id, target.stored.value.id);
    return cut === undefined ? undefined : refuse(code, cut);
  };
  return { make, undo: async () => undefined };
}

/**
 * Of a move that is recorded: why nobody knows here whether a link connects. It stands all the same, for a host that is cut off
 * itself must not keep others from moving what they can.
 */
export async function linksUnseen(
  options: ApiOptions,
  kind: "migrate" | "relocate",
  wanted: { readonly vm: string; readonly to: string },
): Promise<Reason | null> {
  const view = options.view();
  const [vm, target] = [findVm(view, wanted.vm), findHost(view, wanted.to)];
  if (kind !== "migrate" || vm.kind === "refused" || target.kind === "refused") return null;
  return (await whyUnseen(options, view, vm.stored.value.id, target.stored.value.id)) ?? null;
}

/** What was foreseen without a look at the links: a guest that could not be sent stays where it is. */
export async function withCutLinks(
  options: ApiOptions,
  view: ClusterView,
  vms: readonly Foreseen[],
): Promise<readonly Foreseen[]> {
  return Promise.all(
    vms.map(async (foreseen): Promise<Foreseen> => {
      const { vm, from, to, becomes, loses, via } = foreseen;
      if (becomes !== "moves" || loses !== null || to === null || via !== undefined) return foreseen;
      const why = await whyNotSent(options, view, vm, to);
      const unseen = why === undefined ? await whyUnseen(options, view, vm, to) : undefined;
      if (why === undefined) return unseen === undefined ? foreseen : { ...foreseen, unseen };
      const fix = await otherLinks(options, view, vm, to);
      return { ...foreseen, becomes: "stays", to: from, afterMs: null, downMs: null, guessed: [], why, fix };
    }),
  );
}

async function whyNotSent(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Reason | undefined> {
  const way = wayTo(view, id, to);
  if (way?.links.length === 0)
    return reason("HM4", "move-no-common-link", {
      vm: vmName(view, id),
      from: way.from.name,
      host: hostName(view, to),
    });
  const cut = await whyCut(options, view, id, to);
  return cut === undefined ? undefined : reason("HM4", code, cut);
}

/** Links that the policy leaves out, and that are not known to be cut: with them the guest could be sent. */
async function otherLinks(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Fix | null> {
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

function wayTo(view: ClusterView, id: VmId, to: HostId): Way | undefined {
  const [vm, host] = [view.vms.get(id)?.value, view.members.get(to)?.value];
  return vm === undefined || host === undefined ? undefined : wayOfMove(view, vm, host);
}

type Way = NonNullable<ReturnType<typeof wayOfMove>>;

/**
 * Every link over which the guest would be sent is cut, as far as this host can see at this moment. The target's agent and the
 * source's look again: this only says at once what would be in vain.
 */
async function whyCut(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Params | undefined> {
  const way = wayTo(view, id, to);
  const seen = way === undefined || way.links.length === 0 ? undefined : await look(options, way, to);
  if (way === undefined || seen === undefined || seen.cut.length < way.links.length) return undefined;
  return told(view, id, way, to);
}

/** Each link is known to be cut, or nothing of it is seen from here. */
async function whyUnseen(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Reason | undefined> {
  const way = wayTo(view, id, to);
  const seen = way === undefined || way.links.length === 0 ? undefined : await look(options, way, to);
  if (way === undefined || seen === undefined || seen.unseen.length === 0) return undefined;
  if (seen.cut.length + seen.unseen.length < way.links.length) return undefined;
  return reason("HM4", "move-links-unseen", { ...told(view, id, way, to), by: hostName(view, options.self) });
}

function told(view: ClusterView, id: VmId, { from, links }: Way, to: HostId): Params {
  const tried = links.map((link) => `${link.from} to ${link.to}`).join("; ");
  return { vm: vmName(view, id), from: from.name, host: hostName(view, to), tried };
}

type Seen = { readonly cut: readonly MoveLink[]; readonly unseen: readonly MoveLink[] };

/** Undefined: nobody looks here, or not in time; then none of them counts as cut. */
async function look(
  { clock, self, links: eyes }: ApiOptions,
  { from, links }: Way,
  to: HostId,
): Promise<Seen | undefined> {
  if (eyes === undefined) return undefined;
  const asker = self === from.id ? "from" : self === to ? "to" : "other";
  const asked = links.flatMap((link) => [
    ...(asker === "from" ? [] : [link.from]),
    ...(asker === "to" ? [] : [link.to]),
  ]);
  const found = await answered<readonly string[] | undefined>(clock, apiLimits.linksMs, undefined, (done) =>
    eyes.answering(asked, done),
  );
  if (found === undefined) return undefined;
  const answers = new Set(found);
  return { cut: cutLinks(links, asker, answers), unseen: unseenLinks(links, asker, answers) };
}
