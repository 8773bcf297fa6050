import { inKeyOrder } from "../../base/order.ts";
import { isSame } from "../../base/same.ts";
import type { HostId, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy } from "../../model/policy.ts";
import { type Reason, refuse } from "../../model/reason.ts";
import type { HostFacts, Vm } from "../../model/records.ts";
import type { Transaction, Write } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import { copyView } from "../../model/view-copy.ts";
import { mainReason } from "../admission.ts";
import { linkOrder, moveLinks } from "../migration-links.ts";
import { reason } from "../placement/fitness.ts";
import { knowledgeOf } from "../placement/imagine.ts";
import { openRound, type PlacementRound } from "../placement/round.ts";
import { whereTo } from "../placement/select.ts";
import { policyLoss } from "../replication-cycles.ts";
import { groupOf, protectionOf } from "../replication-duty.ts";
import { wholeCopies } from "../replication-usable.ts";
import { promisedMiB } from "../requests/create-vm.ts";
import { hostName } from "../requests/find.ts";
import type { Asked, Planned } from "../requests/plan.ts";
import { ruleBook } from "../rules/rule-book.ts";
import { put } from "../transactions.ts";
import { applyWrites, atRest, type Following, lossesAtRest, whatFollows } from "./guard-ahead.ts";
import { lossesNotBorne } from "./guard-losses.ts";

export type Guarding = {
  /** The procedure, for the record. */
  readonly edit: string;
  /** Whoever asks has read what it would break, and wants it. */
  readonly accept: boolean;
  /** Hosts that are there now. */
  readonly up: ReadonlySet<HostId>;
};

/** In a large cluster so many VMs are looked at one by one, those that the edit names before all others. */
const vmsLookedAtMax = 1_000;

export type Guarded = {
  readonly planned: Planned;
  /** What is borne less for a VM alone that is wanted, was down, and starts by this edit: to be told beside it. Null: nothing. */
  readonly note: Reason | null;
};

/**
 * FC2: an edit that would break what the cluster bears now is refused with the worst of it, unless that was accepted: then
 * it is carried out, and what was accepted goes into the record with who did. All others pass as they are. `known`: what whoever
 * planned it says of it, before all else.
 */
export function guardEdit(
  view: ClusterView,
  planned: Planned,
  guarding: Guarding,
  asked: Asked,
  known: readonly Reason[] = [],
): Guarded {
  if (planned.kind === "refused") return { planned, note: null };
  const found = whatBreaks(view, planned.transaction, guarding.up, asked.at);
  const note = noteOf(found.starts);
  const [worst, ...rest] = [...known, ...found.breaks];
  if (worst === undefined) return { planned, note };
  if (!guarding.accept) return { planned: refuse(worst.code, { ...worst.params, more: rest.length }), note: null };
  const accepted = {
    type: "edit-accepted",
    subjects: {},
    params: { edit: guarding.edit, breaks: rest.length + 1 },
    reason: { ...worst, params: { ...worst.params, more: rest.length } },
    alternatives: rest.map((why) => ({ option: why.code, why })),
    actor: asked.actor,
  };
  return { planned: { ...planned, events: [...planned.events, accepted] }, note };
}

/**
 * The worst first: VMs without the copy that would take over, losses that are not borne any more, VMs that fit nowhere any more, rules that fail, pools that are too
 * small, hosts between which no guest could be moved any more.
 */
export function whatBreaks(view: ClusterView, edit: Transaction, up: ReadonlySet<HostId>, wall: WallMs): Following {
  const after = viewAfter(view, edit.writes);
  const protecting = noCopyLeft(view, after, up, wall);
  const { breaks, starts } = borneLess(view, withSameWish(view, after), edit, up, wall);
  const others = [
    ...fitNowhere(view, after, edit, up, wall),
    ...failing(view, after),
    ...promisedMore(view, after),
    ...noLinksLeft(view, after),
  ];
  return { breaks: [...protecting, ...breaks, ...others], starts };
}

/** Where VMs are now, and where the edit sends them. */
function borneLess(
  view: ClusterView,
  after: ClusterView,
  edit: Transaction,
  up: ReadonlySet<HostId>,
  wall: WallMs,
): Following {
  const now = lossesNotBorne(view, after, up, wall);
  const [without, edited] = withVmsStarted(view, after, edit);
  const rest = atRest(without, edited, up, wall);
  if (rest === undefined) return { breaks: now, starts: [] };
  const { breaks, starts } = whatFollows({ now: view, after, edited }, rest, up, wall, now);
  return { breaks: [...now, ...breaks], starts };
}

/**
 * A VM's size is changed while nobody runs it, and costs nothing until it is started: both are judged with it started, in its old
 * size and in its new one. Whether it is wanted is no matter of what is borne: a start is never refused for it.
 */
function withVmsStarted(
  view: ClusterView,
  after: ClusterView,
  { writes }: Transaction,
): readonly [ClusterView, ClusterView] {
  const touched = new Set<string>(writes.map(({ key }) => key));
  const changed = inKeyOrder(view.vms).flatMap(([id, { value: old }]) => {
    const vm = after.vms.get(id)?.value;
    return vm === undefined || !touched.has(keys.vm(id)) ? [] : [{ old, vm }];
  });
  if (changed.length === 0) return [view, after];
  const [without, edited] = [copyView(after), copyView(after)];
  for (const { old, vm } of changed) {
    const requested = vm.requested === "ignored" ? vm.requested : "started";
    applyWrites(without, [put(keys.vm(vm.id), { ...vm, requested, spec: old.spec })]);
    applyWrites(edited, [put(keys.vm(vm.id), { ...vm, requested })]);
  }
  return [without, edited];
}

/** How what stands for an edit is said of a start. */
const startCodes: Readonly<Record<string, string>> = {
  "edit-then-bears-less": "start-bears-less",
  "edit-then-strands-vms": "start-strands-vms",
};

/**
 * What a start costs of what the cluster bears, for whoever orders it: it is started all the same, for there is room now. Undefined:
 * nothing, or so many VMs that an order would wait for the answer; `cluster status` says it then.
 */
export function whatStartBreaks(
  view: ClusterView,
  start: Transaction,
  up: ReadonlySet<HostId>,
  wall: WallMs,
): Reason | undefined {
  if (view.vms.size > vmsLookedAtMax) return undefined;
  const rest = atRest(view, viewAfter(view, start.writes), up, wall);
  return (rest && noteOf(lossesAtRest(rest, up, wall))) ?? undefined;
}

function noteOf([worst]: readonly Reason[]): Reason | null {
  return worst === undefined ? null : { ...worst, code: startCodes[worst.code] ?? worst.code };
}

function viewAfter(view: ClusterView, writes: readonly Write[]): ClusterView {
  const after = copyView(view);
  applyWrites(after, writes);
  const reserveMiB = (of: ClusterView): number => (of.policy?.value ?? defaultPolicy).hostReserveMiB;
  if (reserveMiB(view) !== reserveMiB(after)) applyWrites(after, factsAfter(view, reserveMiB(view), reserveMiB(after)));
  return after;
}

/** What agents will say once they have read the new reserve; a host with a figure of its own keeps that. */
function factsAfter(view: ClusterView, beforeMiB: number, afterMiB: number): Write[] {
  return inKeyOrder(view.facts).flatMap(([host, { value }]) => {
    if (hasOwnFigure(value, beforeMiB)) return [];
    return [put(keys.hostFacts(host), { ...value, memoryForVmsMiB: roomOf(value, afterMiB) })];
  });
}

/** Its configuration names the memory for VMs: it is not what the policy's reserve leaves. */
export function hasOwnFigure(facts: HostFacts, reserveMiB: number): boolean {
  // Without a word of it: guessed, for facts may be older than the policy.
  return facts.memoryIsConfigured ?? facts.memoryForVmsMiB !== roomOf(facts, reserveMiB);
}

function roomOf({ memoryMiB }: HostFacts, reserveMiB: number): number {
  return Math.max(0, memoryMiB - reserveMiB);
}

/**
 * VMs that would be started from their copies if their host were lost now (S17, S25), and would not be any more: they go out of
 * their group, or it allows less to be lost.
 */
function noCopyLeft(view: ClusterView, after: ClusterView, up: ReadonlySet<HostId>, wall: WallMs): Reason[] {
  const vms = inKeyOrder(view.groups).flatMap(([, { value }]) => value.vms);
  return vms.flatMap((id) => {
    const [vm, protection] = [view.vms.get(id)?.value, protectionOf(view, id)];
    if (vm?.requested !== "started" || protection === undefined || !up.has(protection.to)) return [];
    const { group, from, to } = protection;
    const mode = groupOf(after, id)?.mode;
    // In cycles a copy that is whole now soon lacks something; one that is to have each write is brought to that.
    const isKept = mode?.kind === "synchronous" || (mode?.lossS != null && takesOver(after, id, to, wall));
    if (isKept || isSame(mode, group.mode) || !takesOver(view, id, to, wall)) return [];
    const params = { vm: vm.name, group: group.name, host: hostName(view, from), copy: hostName(view, to) };
    return [reason("FC2", "edit-group-protects", params)];
  });
}

function takesOver(view: ClusterView, vm: VmId, to: HostId, wall: WallMs): boolean {
  return wholeCopies(view, vm).includes(to) || policyLoss(view, vm, wall)?.accepted !== undefined;
}

/** Held against the same number of losses: whether fewer are asked for is no matter of what is borne. */
function withSameWish(view: ClusterView, after: ClusterView): ClusterView {
  const { wantedHostLosses } = view.policy?.value ?? defaultPolicy;
  const policy = after.policy?.value ?? defaultPolicy;
  if (policy.wantedHostLosses !== wantedHostLosses)
    applyWrites(after, [put(keys.policy, { ...policy, wantedHostLosses })]);
  return after;
}

function fitNowhere(
  view: ClusterView,
  after: ClusterView,
  edit: Transaction,
  up: ReadonlySet<HostId>,
  wall: WallMs,
): Reason[] {
  const [old, now] = [openRound(view, knowledgeOf(view, up, wall)), openRound(after, knowledgeOf(after, up, wall))];
  // One that is down for want of its host comes up with it.
  const [oldOnce, nowOnce] = [onceAllAreBack(old), onceAllAreBack(now)];
  const touched = new Set<string>(edit.writes.map(({ key }) => key));
  const isTouched = ({ id }: Vm): boolean => touched.has(keys.vm(id));
  const vms = inKeyOrder(after.vms).map(([, { value }]) => value);
  const asked = [...vms.filter(isTouched), ...vms.filter((vm) => vm.requested === "started" && !isTouched(vm))];
  return asked.slice(0, vmsLookedAtMax).flatMap((vm) => {
    const before = view.vms.get(vm.id)?.value;
    if (before === undefined || placeOf(now, vm) !== undefined) return [];
    if (placeOf(old, before) !== undefined) {
      const closest = mainReason(now, vm).params["host"];
      const host = typeof closest === "string" ? hostName(after, closest as HostId) : "none";
      return [reason("FC2", "edit-vm-fits-nowhere", { vm: vm.name, host })];
    }
    const awaited = placeOf(oldOnce, before);
    if (awaited === undefined || placeOf(nowOnce, vm) !== undefined) return [];
    return [reason("FC2", "edit-vm-starts-nowhere", { vm: vm.name, host: hostName(view, awaited) })];
  });
}

function placeOf(round: PlacementRound, vm: Vm): HostId | undefined {
  return whereTo(round, vm, { preference: "best" });
}

/** With every host there that is a member, and taking VMs. */
function onceAllAreBack(round: PlacementRound): PlacementRound {
  const slots = round.slots.map((slot) => ({ ...slot, away: undefined, left: undefined, closed: undefined }));
  const slotOf = new Map(slots.map((slot) => [slot.host, slot]));
  return { ...round, slots, slotOf, lacks: new Map(), nowhere: new Map() };
}

function failing(view: ClusterView, after: ClusterView): Reason[] {
  const before = ruleBook(view).failing;
  const found = [...ruleBook(after).failing].filter(([rule]) => !before.has(rule) && after.rules.has(rule));
  return found.map(([rule]) => reason("FC2", "edit-rule-fails", { rule }));
}

/** Pools whose disks may grow to more than they may hold from then on. */
function promisedMore(view: ClusterView, after: ClusterView): Reason[] {
  return inKeyOrder(after.pools).flatMap(([id, { value: pool }]) => {
    const before = view.pools.get(id)?.value.quotaMiB;
    const promised = promisedMiB(after, id);
    const wasKept = before === null || (before !== undefined && promised <= before);
    if (pool.quotaMiB === null || promised <= pool.quotaMiB || !wasKept) return [];
    return [reason("FC2", "edit-pool-too-small", { pool: pool.name, promisedMiB: promised, quotaMiB: pool.quotaMiB })];
  });
}

/** By what the policy says of links; a host that leaves the cluster takes its own along. */
function noLinksLeft(view: ClusterView, after: ClusterView): Reason[] {
  const [order, orderAfter] = [linkOrder(view), linkOrder(after)];
  if (order.order.join(" ") === orderAfter.order.join(" ")) return [];
  const hosts = inKeyOrder(after.members).flatMap(([, { value }]) => (value.role === "host" ? [value] : []));
  const parted = hosts.flatMap((from, i) =>
    hosts.slice(i + 1).flatMap((to) => {
      const isLost = moveLinks(from, to, orderAfter).length === 0 && moveLinks(from, to, order).length > 0;
      return isLost ? [{ host: from.name, other: to.name }] : [];
    }),
  );
  const [first, ...rest] = parted;
  if (first === undefined) return [];
  return [reason("FC2", "edit-no-link-for-moves", { ...first, pairs: rest.length })];
}
