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
import type { Tracker } from "./tracker.ts";
import { answered } from "./wait.ts";

const code = "move-links-cut";

/** One look at the links of a move: what it refuses, and what it leaves open. */
type LinkCheck = {
  /** A guest that moves while it runs needs a link: looked at when nothing else speaks against the order, before it is recorded. */
  readonly first: Mutation["prepare"];
  /**
   * Of a move that is recorded: why nobody knows here whether a link connects. It stands all the same, for a host that is cut off
   * itself must not keep others from moving what they can.
   */
  readonly unseen: () => Promise<Reason | null>;
};

export function linkCheck(
  options: ApiOptions,
  tracker: Pick<Tracker, "heartbeatAgeMs">,
  kind: "migrate" | "relocate",
  wanted: { readonly vm: string; readonly to: string },
): LinkCheck {
  if (kind !== "migrate") return { first: undefined, unseen: async () => null };
  let judged: Judged | undefined;
  const judge = async (): Promise<Judged> => {
    const view = options.view();
    const [vm, target] = [findVm(view, wanted.vm), findHost(view, wanted.to)];
    if (vm.kind === "refused" || target.kind === "refused") return {};
    return judgeLinks(options, view, vm.stored.value.id, target.stored.value.id);
  };
  const make = async () => {
    judged = await judge();
    if (judged.cut === undefined) return undefined;
    const to = findHost(options.view(), wanted.to);
    const ageMs = to.kind === "refused" ? null : tracker.heartbeatAgeMs(to.stored.value.id);
    // Nobody looks for cables of a host that has just lost its power.
    return ageMs !== null && ageMs >= apiLimits.missedBeatMs
      ? refuse("move-host-unanswering", { ...judged.cut, ageMs })
      : refuse(code, judged.cut);
  };
  // An order that was given before comes here without a first look.
  const unseen = async () => (judged ?? (await judge())).unseen ?? null;
  return { first: { make, undo: async () => undefined }, unseen };
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
      const { why, unseen } = await whyNotSent(options, view, vm, to);
      if (why === undefined) return unseen === undefined ? foreseen : { ...foreseen, unseen };
      const fix = await otherLinks(options, view, vm, to);
      return { ...foreseen, becomes: "stays", to: from, afterMs: null, downMs: null, guessed: [], why, fix };
    }),
  );
}

async function whyNotSent(
  options: ApiOptions,
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
  return cut === undefined ? seen : { why: reason("HM4", code, cut) };
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

/** At most one of them. */
type Judged = { readonly cut?: Params; readonly unseen?: Reason };

/**
 * `cut`: every link over which the guest would be sent is, as far as this host can see at this moment. `unseen`: each is known to be
 * cut, or nothing of it is seen from here. The target's agent and the source's look again: this only says at once what would be in
 * vain.
 */
async function judgeLinks(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Judged> {
  const way = wayTo(view, id, to);
  const seen = way === undefined || way.links.length === 0 ? undefined : await look(options, way, to);
  if (way === undefined || seen === undefined) return {};
  const params = told(view, id, way, to);
  if (seen.cut.length >= way.links.length) return { cut: params };
  if (seen.cut.length + seen.unseen.length < way.links.length) return {};
  return { unseen: reason("HM4", "move-links-unseen", { ...params, by: hostName(view, options.self) }) };
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
