import { cutLinks, type MoveLink, unseenLinks } from "../../core/migration-links.ts";
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

/** Why a guest is not sent at all. */
export const cutCode = "move-links-cut";

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
    // Nobody looks for cables of a host that has just lost its power; and what it ran may be gone with it.
    const silentMs = (host: HostId): number | null => {
      const ageMs = host === options.self ? null : tracker.heartbeatAgeMs(host);
      return ageMs !== null && ageMs >= apiLimits.missedBeatMs ? ageMs : null;
    };
    const { told, from, to } = judged.cut;
    const [fromMs, toMs] = [silentMs(from), silentMs(to)];
    if (fromMs !== null) return refuse("move-source-unanswering", { ...told, ageMs: fromMs });
    return toMs === null ? refuse(cutCode, told) : refuse("move-host-unanswering", { ...told, ageMs: toMs });
  };
  // An order that was given before comes here without a first look.
  const unseen = async () => (judged ?? (await judge())).unseen ?? null;
  return { first: { make, undo: async () => undefined }, unseen };
}

export function wayTo(view: ClusterView, id: VmId, to: HostId): Way | undefined {
  const [vm, host] = [view.vms.get(id)?.value, view.members.get(to)?.value];
  return vm === undefined || host === undefined ? undefined : wayOfMove(view, vm, host);
}

export type Way = NonNullable<ReturnType<typeof wayOfMove>>;

export type Sight = Pick<ApiOptions, "clock" | "self" | "links">;

/** At most one of them. */
export type Judged = {
  readonly cut?: { readonly told: Params; readonly from: HostId; readonly to: HostId };
  readonly unseen?: Reason;
};

/**
 * `cut`: every link over which the guest would be sent is, as far as this host can see at this moment. `unseen`: each is known to be
 * cut, or nothing of it is seen from here. The target's agent and the source's look again: this only says at once what would be in
 * vain.
 */
export async function judgeLinks(options: Sight, view: ClusterView, id: VmId, to: HostId): Promise<Judged> {
  const way = wayTo(view, id, to);
  const seen = way === undefined || way.links.length === 0 ? undefined : await look(options, way, to);
  if (way === undefined || seen === undefined) return {};
  const params = { vm: vmName(view, id), from: way.from.name, host: hostName(view, to), tried: triedOf(way) };
  if (seen.cut.length >= way.links.length) return { cut: { told: params, from: way.from.id, to } };
  if (seen.cut.length + seen.unseen.length < way.links.length) return {};
  return { unseen: reason("HM4", "move-links-unseen", { ...params, by: hostName(view, options.self) }) };
}

/** The links of the way, where each is known to be cut; undefined: one may connect, or there is none at all. */
export async function allCut(sight: Sight, way: Way, to: HostId): Promise<string | undefined> {
  const seen = way.links.length === 0 ? undefined : await look(sight, way, to);
  return seen !== undefined && seen.cut.length >= way.links.length ? triedOf(way) : undefined;
}

function triedOf({ links }: Way): string {
  return links.map((link) => `${link.from} to ${link.to}`).join("; ");
}

type Seen = { readonly cut: readonly MoveLink[]; readonly unseen: readonly MoveLink[] };

/** Undefined: nobody looks here, or not in time; then none of them counts as cut. */
export async function look(
  { clock, self, links: eyes }: Sight,
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
