import { compareText, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { Params, Reason } from "../../model/reason.ts";
import type { Member } from "../../model/records.ts";
import type { Group } from "../../model/replication-records.ts";
import type { ClusterView } from "../../model/view.ts";
import { limits } from "../limits.ts";
import { replicationLinks } from "../migration-links.ts";
import { reason } from "../placement/fitness.ts";
import { copiesOn } from "../replication.ts";
import { sidesOf } from "../replication-duty.ts";

// What the loss of a link does to the writes of protected VMs, and to their copies (S16, S17, S25).

type Link = Member["links"][number];
export type LostLink = {
  readonly name: string;
  readonly links: readonly Link[];
  /** It still takes records of that host: where it does not, a run there goes on without its copy by its host's note at most. */
  readonly storeServes: (from: HostId) => boolean;
};

/** After such a silence the relay tries the next link. */
const silentS = limits.replicaSilentMs / 1_000;

export function whatCopiesLose(view: ClusterView, lost: LostLink): Reason[] {
  return valuesInKeyOrder(view.groups).flatMap(({ value: group }) => {
    return waysOf(view, group).flatMap(([source, target]) => wayLoses(view, group, source, target, lost));
  });
}

/** From where to where its VMs are copied now; as it was made where none of them is on either host. */
function waysOf(view: ClusterView, group: Group): readonly (readonly [HostId, HostId])[] {
  const from = group.vms.flatMap((vm) => sidesOf(view, group, vm)?.from ?? []);
  const sources = from.length === 0 ? [group.source] : [...new Set(from)].sort(compareText);
  return sources.map((source) => [source, source === group.source ? group.target : group.source]);
}

function wayLoses(view: ClusterView, group: Group, source: HostId, target: HostId, lost: LostLink): Reason[] {
  const [from, to] = [view.members.get(source)?.value, view.members.get(target)?.value];
  if (from === undefined || to === undefined || group.paused.length > 0) return [];
  const [first] = replicationLinks(from, to);
  const [next] = replicationLinks(without(from, lost.links), without(to, lost.links));
  if (first === undefined || first.subnet === next?.subnet) return [];
  const params: Params = { link: lost.name, group: group.name, from: from.name, host: to.name };
  const { mode } = group;
  if (mode.kind === "asynchronous") {
    if (next !== undefined) return [reason("S25", "forecast-cycles-other-link", { ...params, next: next.subnet })];
    if (mode.lossS === null) return [reason("S25", "forecast-cycles-fall-behind", params)];
    return [reason("S25", "forecast-cycles-fall-behind-to", { ...params, lossS: mode.lossS })];
  }
  if (next !== undefined)
    return [reason("S17", "forecast-copies-other-link", { ...params, next: next.subnet, silentS })];
  const boundS = mode.boundMs / 1_000;
  if (lost.storeServes(source)) return [reason("S16", "forecast-copies-left-behind", { ...params, boundS })];
  const isNoted = group.vms.some((vm) => sidesOf(view, group, vm)?.from === source && goesByNote(view, vm, target));
  return isNoted
    ? [reason("S23", "forecast-copies-left-by-note", { ...params, boundS })]
    : [reason("S16", "forecast-writes-wait", params)];
}

/** Its host may let it go on without that copy by its own note, where the store takes no record (S23). */
function goesByNote(view: ClusterView, vm: VmId, host: HostId): boolean {
  return copiesOn(view, vm, host).some(({ record }) => {
    const state = record?.value.state;
    return state?.kind === "in-sync" && state.byHost === true;
  });
}

export function without(member: Member, lost: readonly Link[]): Member {
  return { ...member, links: member.links.filter((one) => !lost.includes(one)) };
}
