import { compareText, inKeyOrder } from "../base/order.ts";
import type { HostId, Incarnation, InstantMs, Revision, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { type Contact, frozenTooLongMs, isAgentGone, type OwnContact, silenceOf } from "./contact.ts";
import { type Decided, type Decision, event, type ManagerKnowledge, type Notice } from "./decision.ts";
import { isDisarmed } from "./disarmed.ts";
import { fenceTransaction, needsDevice, poolsOf, proofsAcceptedBy, proveGone } from "./fencing.ts";
import { isAwaited } from "./host-standing.ts";
import { limits } from "./limits.ts";
import { sourcesNotQuit } from "./migration.ts";
import { isToLeave } from "./moves.ts";
import { openRound, type PlacementRound } from "./placement/round.ts";
import { whereTo } from "./placement/select.ts";
import { policyLoss } from "./replication-cycles.ts";
import { vmError } from "./vm-error.ts";
import { vmIndex } from "./vm-index.ts";

/** How this process may judge: a leader in its term, or a standby that waits a little longer (S12). */
export type Judge = {
  readonly own: OwnContact;
  readonly startedAt: InstantMs;
  readonly extraMs: number;
  /** The leader's term; a standby's fence is guarded by the heartbeat alone. */
  readonly also: readonly Compare[];
};

/** Fences that are due by silence (S8). A host is fenced only where at least one VM would then start elsewhere. */
export function decideFences(view: ClusterView, known: ManagerKnowledge, judge: Judge): Decided {
  const decisions: Decision[] = [];
  const notices: Notice[] = [];
  let wakeAt: number | undefined;
  if (isDisarmed(view)) return { decisions, notices, wakeAt };
  for (const [host, contact] of inKeyOrder(known.contacts)) {
    if (host === known.self || !isJudged(view, host, contact)) continue;
    const process = { startedAt: judge.startedAt, ownWaitMs: known.ownWaitMs, extraMs: judge.extraMs };
    const silence = silenceOf(contact, judge.own, process, known.now);
    if (silence.kind === "not-due") wakeAt = Math.min(wakeAt ?? silence.at, silence.at);
    if (silence.kind !== "due") continue;
    const use = whatAFenceWouldStart(view, host, contact.incarnation, known, stoodBy(contact, known));
    if (use.startsElsewhere || wouldFree(view, host, known))
      decisions.push(fenceBySilence(view, host, contact, use.device, known, judge));
    else if (use.held > 0) {
      const params = { host, silentMs: known.now - contact.heardAt, vms: use.held };
      notices.push({ subject: `host ${host}`, event: event("host-silent-not-fenced", { host }, params) });
      notices.push(...waitingForOrders(view, host, stoodBy(contact, known)));
    }
  }
  return { decisions, notices, wakeAt };
}

function isJudged(view: ClusterView, host: HostId, contact: Contact): boolean {
  if (view.hosts.get(host)?.value.incarnation !== contact.incarnation) return false;
  return fenceOf(view, host, contact.incarnation) === undefined;
}

type FenceUse = { readonly held: number; readonly startsElsewhere: boolean; readonly device: boolean };

/** Whether a fence of (host, incarnation) would let any of its VMs start on another host, and whether a device must help. */
export function whatAFenceWouldStart(
  view: ClusterView,
  host: HostId,
  incarnation: Incarnation,
  known: ManagerKnowledge,
  lostAt: WallMs = known.wall,
): FenceUse {
  const round = openRound(view, known);
  const hasDevice = view.devices.has(host);
  let held = 0;
  let startsElsewhere = false;
  let device = false;
  for (const [id, concerned] of [...heldThere(view, host), ...heldUpBy(view, host, true)]) {
    const vm = view.vms.get(id)?.value;
    if (concerned.incarnation > incarnation || vm === undefined || vm.requested !== "started") continue;
    const pools = poolsOf(vm, view);
    // Of an earlier incarnation: the host came back, and is gone again before it claimed the VM (S11).
    const earlier = concerned.incarnation < incarnation;
    if (earlier && pools !== undefined && proveGone(view, host, concerned.incarnation, pools) !== undefined) continue;
    held++;
    // The device works on the record of the incarnation that owns the VM.
    const asksDevice = pools !== undefined && needsDevice(pools) && !earlier;
    if (pools === undefined || (startsElsewhere && (device || !asksDevice))) continue;
    const obtainable = proofsAcceptedBy(pools).includes("silence") || (needsDevice(pools) && hasDevice);
    const starts = concerned.hasHost || startsWithout(round, vm, host, lostAt);
    if (!obtainable || !starts) continue;
    startsElsewhere = true;
    device ||= asksDevice;
  }
  return { held, startsElsewhere, device };
}

/** It would start on another host, with what its copy in cycles lacks counted until `lostAt` (S25). */
function startsWithout(round: PlacementRound, vm: Vm, host: HostId, lostAt: WallMs): boolean {
  return whereTo(round, vm, { preference: "best", without: host, lostAt }) !== undefined;
}

/** Its deadline has passed since; from then on its VMs wrote nothing (S2). */
function stoodBy({ silentUntil }: Contact, { now, wall }: ManagerKnowledge): WallMs {
  return (wall - Math.max(0, Math.floor(now - silentUntil))) as WallMs;
}

/** VMs of a silent host whose copies lack more than their groups allow: said, with what is lost by an order (S25). */
function waitingForOrders(view: ClusterView, host: HostId, lostAt: WallMs): Notice[] {
  return [...(vmIndex(view).heldBy.get(host) ?? [])].sort(compareText).flatMap((id): Notice[] => {
    const vm = view.vms.get(id)?.value;
    const loss = vm?.requested === "started" ? policyLoss(view, id, lostAt) : undefined;
    if (vm === undefined || loss === undefined || loss.accepted !== undefined) return [];
    const { seconds } = loss;
    const limitS = loss.limitS ?? "none";
    const reason = { rule: "S25", code: "replica-behind-limit", params: { host: loss.host, seconds, limitS } };
    const params = { vm: vm.name, host, to: loss.host, seconds };
    return [{ subject: `loss ${id}`, event: event("vm-waits-for-order", { vm: id, host }, params, reason) }];
  });
}

/** In which incarnation a host keeps a VM from running elsewhere; `hasHost`: another one owns it already. */
type Concerned = readonly [VmId, { readonly incarnation: Incarnation; readonly hasHost: boolean }];

function* heldThere(view: ClusterView, host: HostId): Iterable<Concerned> {
  for (const id of vmIndex(view).heldBy.get(host) ?? []) {
    const owner = view.owners.get(id)?.value;
    if (owner?.kind === "held") yield [id, { incarnation: owner.incarnation, hasHost: false }];
  }
}

/**
 * VMs that were handed over, and start nowhere before this source has quit (S15): those that do not run where they are owned,
 * and, of a source that is silent, those that run there and are to be elsewhere.
 */
function* heldUpBy(view: ClusterView, host: HostId, isSilent: boolean): Iterable<Concerned> {
  for (const [id, source] of sourcesNotQuit(view)) {
    const owner = view.owners.get(id)?.value;
    if (source.host !== host || owner?.host === host) continue;
    if (runsWhereOwned(view, id) && !(isSilent && isToLeave(view, id))) continue;
    const hasHost = owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) === undefined;
    yield [id, { incarnation: source.incarnation, hasHost }];
  }
}

function runsWhereOwned(view: ClusterView, id: VmId): boolean {
  const owner = view.owners.get(id)?.value;
  const status = view.statuses.get(id)?.value;
  if (owner?.kind !== "held" || fenceOf(view, owner.host, owner.incarnation) !== undefined) return false;
  return status?.epoch === owner.epoch && (status.phase === "running" || status.phase === "paused");
}

/** VMs that nobody holds wait for the host, which is not coming back; one of them at least would then start elsewhere (HM4). */
function wouldFree(view: ClusterView, host: HostId, known: ManagerKnowledge): boolean {
  if (!isAwaited(view, host, known)) return false;
  const round = openRound(view, known);
  for (const id of vmIndex(view).unsettled) {
    const owner = view.owners.get(id)?.value;
    const vm = view.vms.get(id)?.value;
    if (owner?.kind !== "released" || owner.host !== host || vm?.requested !== "started") continue;
    if (vm.lock !== null || vmError(view, id) !== undefined) continue;
    if (whereTo(round, vm, { preference: "best", without: host }) !== undefined) return true;
  }
  return false;
}

function fenceBySilence(
  view: ClusterView,
  host: HostId,
  contact: Contact,
  device: boolean,
  known: ManagerKnowledge,
  judge: Judge,
): Decision {
  const { incarnation } = contact;
  const times = { at: known.wall, stoodBy: stoodBy(contact, known) };
  const order = { host, incarnation, cause: "silence" as const, by: known.self, device, ...times };
  const silentMs = known.now - contact.heardAt;
  const reason = { rule: "S8", code: "host-silent", params: { host, silentMs, waitMs: contact.waitMs } };
  return {
    subject: `host ${host}`,
    transaction: fenceTransaction(view, order, contact, judge.also),
    events: [event("host-fenced", { host }, { host, incarnation, cause: "silence", device }, reason)],
    // Sent again after a gap of this process's own, it would fence without the grace (S8).
    once: true,
  };
}

/**
 * S13: hosts that beat but do not run their VMs. Frozen for more than two deadlines under committed heartbeats, or the
 * agent gone with a VM down: fenced by order, which is no proof of itself (S9). Only the leader orders.
 */
export function decideOrders(
  view: ClusterView,
  known: ManagerKnowledge,
  own: OwnContact,
  also: readonly Compare[],
): Decided {
  const decisions: Decision[] = [];
  if (isDisarmed(view)) return { decisions, notices: [], wakeAt: undefined };
  for (const [host, contact] of inKeyOrder(known.contacts)) {
    if (host === known.self || !isJudged(view, host, contact) || !contact.live || known.now < own.graceUntil) continue;
    const reason = whyOrdered(view, host, contact, known.now);
    if (reason === undefined) continue;
    const use = whatAFenceWouldStart(view, host, contact.incarnation, known);
    if (!use.startsElsewhere) continue;
    const { incarnation } = contact;
    const order = { host, incarnation, cause: "order" as const, by: known.self, device: use.device, at: known.wall };
    const told = event("host-fenced", { host }, { host, incarnation, cause: "order", device: use.device }, reason);
    decisions.push({
      subject: `host ${host}`,
      transaction: fenceTransaction(view, order, contact, also),
      events: [told],
    });
  }
  return { decisions, notices: [], wakeAt: undefined };
}

/**
 * Why another leader would order the fence of this process's own host: nobody orders his own. Undefined: nothing is wrong
 * there, or no VM would start elsewhere by it.
 */
export function whyOthersWouldOrder(view: ClusterView, known: ManagerKnowledge): Reason | undefined {
  const contact = known.contacts.get(known.self);
  if (contact === undefined || isDisarmed(view) || !isJudged(view, known.self, contact)) return undefined;
  const reason = whyOrdered(view, known.self, contact, known.now);
  if (reason === undefined) return undefined;
  return whatAFenceWouldStart(view, known.self, contact.incarnation, known).startsElsewhere ? reason : undefined;
}

function whyOrdered(view: ClusterView, host: HostId, contact: Contact, now: InstantMs): Reason | undefined {
  // A silent host is the business of the deadline, not of an order.
  if (now - contact.heardAt > limits.aliveMs) return undefined;
  const stored = heartbeatOf(view, host, contact.incarnation);
  if (stored === undefined) return undefined;
  const beat = stored.value;
  const frozenMs = frozenTooLongMs(beat, contact, now);
  if (frozenMs !== undefined) return { rule: "S13", code: "host-keeps-vms-frozen", params: { host, frozenMs } };
  if (!isAgentGone(beat, contact, now)) return undefined;
  const down = vmKnownDown(view, host, contact.incarnation, stored.revision);
  return down === undefined ? undefined : { rule: "S13", code: "agent-gone-vm-down", params: { host, vm: down } };
}

/**
 * The name of a wanted VM that is owned there and by its own record does not run, or that this host keeps from running
 * elsewhere; what nobody recorded is not known. Only what stood so at the heartbeat that missed the agent: whoever has written
 * since is the agent itself, which is back.
 */
function vmKnownDown(view: ClusterView, host: HostId, incarnation: Incarnation, beat: Revision): string | undefined {
  let down: Vm | undefined;
  const stoodSo = (id: VmId): boolean => {
    const status = view.statuses.get(id);
    const own = status?.value.host === host ? status : undefined;
    return [view.owners.get(id), view.moves.get(id), own].every((record) => (record?.revision ?? 0) < beat);
  };
  const note = (id: VmId): void => {
    const vm = view.vms.get(id)?.value;
    if (vm?.requested === "started" && stoodSo(id) && (down === undefined || compareText(vm.id, down.id) < 0))
      down = vm;
  };
  for (const [id, concerned] of heldThere(view, host))
    if (concerned.incarnation === incarnation && !runsHere(view, id)) note(id);
  for (const [id, concerned] of heldUpBy(view, host, false)) if (concerned.incarnation === incarnation) note(id);
  return down?.name;
}

/** Not so a guest that was being copied: it stands still until an agent ends that, in one way or the other (S15). */
function runsHere(view: ClusterView, id: VmId): boolean {
  const owner = view.owners.get(id)?.value;
  const status = view.statuses.get(id)?.value;
  const move = view.moves.get(id)?.value;
  const isCopied = status?.copying !== undefined && move?.epoch === owner?.epoch && move?.answer.kind === "open";
  const isUp = status !== undefined && status.phase !== "failed" && status.phase !== "starting";
  return isUp && status.epoch === owner?.epoch && !(isCopied && move?.live?.kind === "waiting");
}
