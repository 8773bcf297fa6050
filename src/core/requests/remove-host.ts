import type { HostId, Incarnation, StoreKey } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Reason, type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft, Member } from "../../model/records.ts";
import type { RemovedHost } from "../../model/removal-records.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../../model/view.ts";
import type { Contact } from "../contact.ts";
import { fenceTransaction } from "../fencing.ts";
import { isWithoutDeadline } from "../limits.ts";
import { emptiedBy, isRemoved, leavingStore, type Ties, tiesOf, votesOf } from "../removal.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { findHost, refuseDisarmed } from "./find.ts";
import type { Asked, Plan, Planned } from "./plan.ts";
import { someOf } from "./rule-parts.ts";
import { lastEdit } from "./rules.ts";
import type { Sight } from "./sight.ts";

export type RemoveHostRequest = { readonly host: string };

/** `self`: the host that is asked. `silent`: its word that a host has been silent for so long that it may be fenced (S9). */
export type RemovalContext = {
  readonly sight: Sight;
  readonly self: HostId;
  readonly silent: (host: HostId) => Contact | undefined;
};

export type Removal = {
  readonly planned: Planned;
  /** What it takes away from the others (FC2), the worst first. */
  readonly breaks: readonly Reason[];
  /** First of all it has to be fenced: it is silent, and holds nothing for which managers would have done so (S8). */
  readonly fence?: Planned;
};

/**
 * HM7: takes a host out of the cluster, by one transaction. Only one that is proven off, and of which nothing is needed: its life is
 * fenced, so that what names it by now is all that ever will. Asked again, it is finished where it was cut off.
 */
export function planRemoveHost(
  view: ClusterView,
  request: RemoveHostRequest,
  asked: Asked,
  context: RemovalContext,
): Removal {
  return planOf(view, request, asked, context, { whyNot: whyNotOff, store: "voting" });
}

/** Why it may not go yet, and how its member of the store stands with it. */
type Manner = { readonly whyNot: typeof whyNotOff; readonly store: RemovedHost["store"] };

/**
 * What removing it would take and be, once it has gone down in order: of one that is up, in maintenance, and that nothing needs any
 * more. To be shown and held against what the cluster bears, never to be committed. Undefined: it is none of these.
 */
export function foreseeRemoval(
  view: ClusterView,
  request: RemoveHostRequest,
  asked: Asked,
  context: RemovalContext,
): Removal | undefined {
  const found = findHost(view, request.host);
  if (found.kind === "refused") return undefined;
  const { id } = found.stored.value;
  const isUp = context.sight(id) === "up" && view.maintenances.has(id);
  // With its member gone: until then the store bears less, as with any host that goes down.
  return isUp ? planOf(view, request, asked, context, { whyNot: () => undefined, store: "left" }) : undefined;
}

function planOf(
  view: ClusterView,
  request: RemoveHostRequest,
  asked: Asked,
  context: RemovalContext,
  { whyNot, store }: Manner,
): Removal {
  const gone = findRemoved(view, request.host);
  if (gone !== undefined) return { planned: planAgain(gone), breaks: [] };
  const found = findHost(view, request.host);
  if (found.kind === "refused") return { planned: found, breaks: [] };
  const member = found.stored.value;
  const ties = tiesOf(view, member.id);
  const notOff = whyNot(view, member);
  const fence = notOff === undefined ? undefined : planFence(view, member, asked, context);
  const refused =
    whyNotNow(view, member, context) ??
    whyNeeded(view, member, ties) ??
    (fence === undefined ? notOff : undefined) ??
    whyNoMajority(view, member, context);
  if (refused !== undefined) return { planned: refused, breaks: [] };
  const planned = planRemoval(view, found.stored, ties, asked, store);
  return { planned, breaks: whatIsLost(view, member, ties), ...(fence === undefined ? {} : { fence }) };
}

/** Undefined: it beats, or its silence proves nothing (S23). */
function planFence(
  view: ClusterView,
  { id, name }: Member,
  asked: Asked,
  context: RemovalContext,
): Planned | undefined {
  const contact = context.silent(id);
  const incarnation = view.hosts.get(id)?.value.incarnation;
  if (contact === undefined || incarnation !== contact.incarnation) return undefined;
  if (fenceOf(view, id, incarnation) !== undefined) return undefined;
  const beat = heartbeatOf(view, id, incarnation)?.value;
  if (beat === undefined || isWithoutDeadline(beat)) return undefined;
  const refused = refuseDisarmed(view);
  if (refused !== undefined) return refused;
  const order = { host: id, incarnation, cause: "silence", by: context.self, device: false, at: asked.at } as const;
  return {
    kind: "plan",
    transaction: fenceTransaction(view, order, contact, []),
    outcome: { kind: "host-changed", host: id, name },
    events: [toldOfHost("host-fenced-to-remove", { id, name }, asked, { incarnation })],
  };
}

/** A removed host by id, or by the name that it had. */
function findRemoved(view: ClusterView, wanted: string): Stored<RemovedHost> | undefined {
  const found = [...view.removals.values()].find(({ value }) =>
    [value.member.id as string, value.member.name].includes(wanted),
  );
  return found !== undefined && isRemoved(view, found.value.member.id) ? found : undefined;
}

function planAgain(stored: Stored<RemovedHost>): Planned {
  const { member, store } = stored.value;
  if (store === "left") return refuse("host-removed-already", { host: member.name });
  return {
    kind: "plan",
    transaction: transaction([unchanged(keys.removedHost(member.id), stored)], []),
    outcome: { kind: "host-changed", host: member.id, name: member.name },
    events: [],
  };
}

function whyNotNow(view: ClusterView, member: Member, { self }: RemovalContext): Refusal | undefined {
  const host = member.name;
  if (member.id === self) return refuse("host-remove-itself", { host });
  // What cannot be read may be about it.
  for (const [key, trouble] of view.unreadable) return refuse("record-unreadable", { key, trouble });
  const [other] = leavingStore(view);
  if (other !== undefined) return refuse("host-remove-another-leaves", { host, other: other.member.name });
  const joining = [...view.members.values()].find(({ value }) => value.joinsStore === true && value.id !== member.id);
  if (joining !== undefined) return refuse("host-remove-another-joins", { host, other: joining.value.name });
  const others = [...view.members.values()].filter(({ value }) => value.role === "host" && value.id !== member.id);
  return others.length === 0 ? refuse("host-remove-last", { host }) : undefined;
}

function whyNeeded(view: ClusterView, { id, name: host }: Member, ties: Ties): Refusal | undefined {
  if (ties.held.length > 0) return refuse("host-remove-holds-vms", { host, vms: someOf(ties.held) });
  if (ties.disks.length > 0) return refuse("host-remove-has-disks", { host, vms: someOf(ties.disks) });
  if (ties.moves.length > 0) return refuse("host-remove-in-a-move", { host, vms: someOf(ties.moves) });
  if (ties.groups.length > 0) return refuse("host-remove-in-group", { host, groups: someOf(ties.groups) });
  for (const { value } of view.fences.get(id)?.values() ?? []) {
    if (value.device === "begun" && !value.proofs.includes("power-off"))
      return refuse("host-remove-power-being-cut", { host });
  }
  return undefined;
}

/** Nothing of its life may run any more, by a proof. One that never registered has none, nor has a witness. */
function whyNotOff(view: ClusterView, { id, name: host }: Member): Refusal | undefined {
  const registration = view.hosts.get(id)?.value;
  if (registration === undefined) return undefined;
  const fence = fenceOf(view, id, registration.incarnation)?.value;
  if (fence === undefined) return refuse("host-remove-not-off", { host });
  return fence.proofs.length === 0 ? refuse("host-remove-not-proven", { host, cause: fence.cause }) : undefined;
}

/** The store takes a member out by a majority of those that it has, and must have one of those that it keeps. */
function whyNoMajority(view: ClusterView, { id, name: host }: Member, { sight }: RemovalContext): Refusal | undefined {
  const votes = votesOf(view);
  const there = [...view.members.values()].filter(({ value }) => {
    const isUp = value.role === "witness" || sight(value.id) === "up";
    return value.id !== id && value.joinsStore !== true && isUp;
  }).length;
  if (there > votes / 2 && there > (votes - 1) / 2) return undefined;
  return refuse("host-remove-no-majority", { host, there, votes });
}

/** How many members may be lost at once while the store still has its majority. */
function bears(votes: number): number {
  return Math.ceil(votes / 2) - 1;
}

/** The votes before and after, and what each bears. */
export function votesWithout(view: ClusterView): { readonly before: number; readonly after: number } {
  return { before: votesOf(view), after: votesOf(view) - 1 };
}

function whatIsLost(view: ClusterView, member: Member, ties: Ties): Reason[] {
  const host = member.name;
  const reason = (code: string, params: Reason["params"]): Reason => ({
    rule: "HM7",
    code,
    params: { host, ...params },
  });
  const { before, after } = votesWithout(view);
  const found: Reason[] = [];
  if (member.joinsStore !== true && bears(after) < bears(before))
    found.push(reason("edit-store-bears-less", { votes: after, before: bears(before), after: bears(after) }));
  if (ties.copies.length + ties.points.length > 0)
    found.push(reason("edit-copies-forgotten", { copies: ties.copies.length, points: ties.points.length }));
  const emptied = emptiedBy(ties);
  if (emptied.length > 0) found.push(reason("edit-rules-end", { rules: someOf(emptied) }));
  const kept = ties.rules.map(({ value }) => value.id).filter((rule) => !emptied.includes(rule));
  if (kept.length > 0) found.push(reason("edit-rules-lose-host", { rules: someOf(kept) }));
  return found;
}

/** All at once: whoever reads sees a member with all that it has, or none. Its fence stays, as that of any past life (S1). */
function planRemoval(
  view: ClusterView,
  stored: Stored<Member>,
  ties: Ties,
  asked: Asked,
  store: RemovedHost["store"],
): Plan {
  const { joinsStore, ...member } = stored.value;
  const { id, name } = member;
  const registration = view.hosts.get(id);
  const before = view.removals.get(id);
  const device = view.devices.get(id);
  const incarnation = registration?.value.incarnation ?? before?.value.incarnation ?? (0 as Incarnation);
  const removed: RemovedHost = {
    schema: 1,
    member,
    device: device?.value ?? null,
    incarnation,
    store,
    takenBackAt: null,
    by: asked.actor,
    at: asked.at,
  };
  const rules = withoutHost(view, id, ties, asked);
  const lost = [...ties.copies, ...ties.points];
  const own = [keys.hostFacts(id), keys.hostMode(id), keys.hostUsage(id)];
  const guarded: readonly (readonly [StoreKey, Stored<unknown> | undefined])[] = [
    [keys.member(id), stored],
    [keys.host(id), registration],
    [keys.fenceDevice(id), device],
    [keys.maintenance(id), view.maintenances.get(id)],
    ...lost,
  ];
  return {
    kind: "plan",
    transaction: transaction(
      [
        ...guarded.map(([key, one]) => unchanged(key, one)),
        ...(registration === undefined ? [] : [unchanged(keys.fence(id, incarnation), fenceOf(view, id, incarnation))]),
        unchanged(keys.removedHost(id), before),
        // No group has come to count on the copies there.
        unchanged(keys.lastGroupEdit, view.lastGroupEdit),
        ...rules.compares,
      ],
      [
        ...[...guarded.map(([key]) => key), ...own].map((key) => remove(key)),
        put(keys.removedHost(id), removed),
        ...rules.writes,
      ],
    ),
    outcome: { kind: "host-changed", host: id, name },
    events: [toldOfHost("host-removed", member, asked, { incarnation })],
  };
}

/** A rule that names nobody else goes. No rule can come meanwhile that names the host: each edit compares its members (AF6). */
function withoutHost(
  view: ClusterView,
  host: HostId,
  { rules }: Ties,
  asked: Asked,
): { readonly compares: readonly Compare[]; readonly writes: readonly Write[] } {
  if (rules.length === 0) return { compares: [], writes: [] };
  return {
    compares: [
      unchanged(keys.lastRuleEdit, view.lastRuleEdit),
      ...rules.map((stored) => unchanged(keys.rule(stored.value.id), stored)),
    ],
    writes: [
      put(keys.lastRuleEdit, lastEdit(asked)),
      ...rules.map(({ value: rule }) => {
        const hosts = rule.hosts.filter((one) => one.host !== host);
        return hosts.length === 0 ? remove(keys.rule(rule.id)) : put(keys.rule(rule.id), { ...rule, hosts });
      }),
    ],
  };
}

/**
 * HM7: a removed host may come back, as a new life with a higher number: its heart registers, then its member of the store joins anew
 * and empty.
 */
export function planTakeBack(view: ClusterView, wanted: string, asked: Asked): Planned {
  const stored = findRemoved(view, wanted);
  if (stored === undefined) {
    const found = findHost(view, wanted);
    return found.kind === "refused" ? found : refuse("host-join-is-member", { host: found.stored.value.name });
  }
  const { member, device, store } = stored.value;
  const { id, name } = member;
  if (store === "voting") return refuse("host-join-still-leaves", { host: name });
  const [registration, was] = [view.hosts.get(id), view.devices.get(id)];
  const key = keys.removedHost(id);
  const back: Member = { ...member, joinsStore: true, joinedAt: asked.at };
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(key, stored),
        unchanged(keys.member(id), undefined),
        unchanged(keys.host(id), registration),
        unchanged(keys.fenceDevice(id), was),
      ],
      [
        put(keys.member(id), back),
        ...(device === null ? [] : [put(keys.fenceDevice(id), device)]),
        // A witness has no heart that would register.
        member.role === "witness" ? remove(key) : put<RemovedHost>(key, { ...stored.value, takenBackAt: asked.at }),
      ],
    ),
    outcome: { kind: "host-changed", host: id, name },
    events: [toldOfHost("host-taken-back", member, asked)],
  };
}

function toldOfHost(
  type: string,
  { id, name }: Pick<Member, "id" | "name">,
  asked: Asked,
  more: Record<string, number> = {},
): EventDraft {
  const params = { host: name, ...more };
  return { type, subjects: { host: id }, params, reason: null, alternatives: [], actor: asked.actor };
}
