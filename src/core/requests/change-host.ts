import { valuesInKeyOrder } from "../../base/order.ts";
import type { HostLosses, HostMode, Maintenance } from "../../model/host-records.ts";
import type { HostId, Incarnation, IntentId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Reason, refuse } from "../../model/reason.ts";
import type { EventDraft, LeaveIntent, Member } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../../model/view.ts";
import { whyNoMajority } from "../admission.ts";
import { limits } from "../limits.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { callOff, movesForMaintenance } from "./call-off.ts";
import { findHost, refuseDisarmed, refuseUnreadable, vmName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import type { Sight } from "./sight.ts";

export type MaintenanceRequest = {
  readonly host: string;
  readonly reason: string;
  /** Hosts that no link reaches from there now, as far as whoever asks has seen (HM2). */
  readonly unreached?: readonly HostId[] | undefined;
};

/**
 * Wants a host free of VMs, whatever its state: one that is being repaired gets none when it comes back. Not while the
 * cluster is disarmed: nothing would leave, and somebody might rely on it.
 */
export function planMaintenance(view: ClusterView, request: MaintenanceRequest, asked: Asked): Planned {
  const found = findHost(view, request.host);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  if (member.role === "witness") return refuse("maintenance-of-witness", { host: member.name });
  const refused = refuseDisarmed(view) ?? refuseUnreadable(view, keys.maintenance(member.id));
  if (refused !== undefined) return refused;
  const already = view.maintenances.get(member.id);
  if (already !== undefined) {
    return refuse("maintenance-already", { host: member.name, by: already.value.by.name });
  }
  const key = keys.maintenance(member.id);
  const { reason, unreached = [] } = request;
  const seen = unreached.length === 0 ? {} : { unreached: [...unreached] };
  const record: Maintenance = { schema: 1, by: asked.actor, reason, at: asked.at, ...seen };
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(key, undefined), unchanged(keys.member(member.id), found.stored), unchanged(keys.disarm, undefined)],
      [put(key, record)],
    ),
    outcome: { kind: "host-changed", host: member.id, name: member.name },
    events: [toldOfHost("maintenance-requested", member, asked, { reason: reason || "-" })],
  };
}

/** A transaction bears no more: what is under way beyond them arrives, and comes back. */
const calledOffMax = 32;

/**
 * Takes a host back: ends its maintenance, calls off the moves for it that have not changed hands (HM3), ends a quarantine with the losses that led to it, and takes back the order to go
 * down as long as it has not given its last word: `intent` then asks its agent.
 */
export function planRelease(view: ClusterView, wanted: string, intent: IntentId, asked: Asked): Planned {
  const found = findHost(view, wanted);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  const maintenance = view.maintenances.get(member.id);
  const losses = view.losses.get(member.id);
  const quarantined = isQuarantined(losses?.value, asked.at) ? losses : undefined;
  const taken = takenBack(view, member.id, intent, asked);
  const maintenanceKey = keys.maintenance(member.id);
  const lossesKey = keys.hostLosses(member.id);
  const unreadable = [maintenanceKey, lossesKey]
    .map((key) => refuseUnreadable(view, key))
    .find((why) => why !== undefined);
  if (unreadable !== undefined) return unreadable;
  if (maintenance === undefined && quarantined === undefined && taken === undefined) {
    return refuse("host-not-held-back", { host: member.name });
  }
  const moves = maintenance === undefined ? [] : movesForMaintenance(view, member.id).slice(0, calledOffMax);
  const off = moves.map((move) => {
    const params = { vm: vmName(view, move.value.vm), host: member.name };
    return { ...callOff(move, "move-maintenance-over", params), name: params.vm };
  });
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(maintenanceKey, maintenance),
        unchanged(lossesKey, losses),
        ...(taken?.compares ?? []),
        ...off.flatMap(({ compares }) => compares),
      ],
      [
        ...(taken?.writes ?? []),
        ...off.flatMap(({ writes }) => writes),
        ...(maintenance === undefined ? [] : [remove(maintenanceKey)]),
        ...(quarantined === undefined
          ? []
          : [put<HostLosses>(lossesKey, { ...quarantined.value, at: [], quarantinedUntil: null })]),
      ],
    ),
    outcome: { kind: "host-changed", host: member.id, name: member.name, calledOff: off.map(({ name }) => name) },
    events: [
      ...(maintenance === undefined ? [] : [toldOfHost("maintenance-ended", member, asked)]),
      ...(quarantined === undefined ? [] : [toldOfHost("quarantine-lifted", member, asked)]),
      ...(taken === undefined ? [] : [toldOfHost("host-leave-taken-back", member, asked)]),
    ],
  };
}

/** Undefined: there is nothing to take back, or its last word stands. */
function takenBack(view: ClusterView, host: HostId, intent: IntentId, asked: Asked) {
  const registration = view.hosts.get(host);
  if (registration === undefined) return undefined;
  const { incarnation } = registration.value;
  if (fenceOf(view, host, incarnation) !== undefined || leavesAlready(view, host, incarnation) === undefined)
    return undefined;
  const order = leaveIntent({ id: intent, host, incarnation, next: "nothing" }, asked);
  return {
    compares: [unchanged(keys.intent(intent), undefined), unchanged(keys.host(host), registration)],
    writes: [put(keys.intent(intent), order)],
  };
}

function leaveIntent(what: Pick<LeaveIntent, "id" | "host" | "incarnation" | "next">, asked: Asked): LeaveIntent {
  return { schema: 1, actor: asked.actor, kind: "leave-host", answer: { kind: "open" }, at: asked.at, ...what };
}

export type LeaveRequest = {
  readonly host: string;
  readonly next: Exclude<LeaveIntent["next"], "nothing">;
  /** Whoever asks knows that the cluster stands still without this host. */
  readonly accept?: boolean | undefined;
};

/**
 * Orders a host to go down in order: an intent for its agent, which deals with its VMs as the policy says. Only for a host
 * that can hear it, and for this life of it; one without which no majority is left only where that was accepted (HM4).
 */
export function planLeave(
  view: ClusterView,
  request: LeaveRequest,
  intent: IntentId,
  asked: Asked,
  sight: Sight,
): Planned {
  const found = findHost(view, request.host);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  const params = { host: member.name };
  if (member.role === "witness") return refuse("leave-of-witness", params);
  const registration = view.hosts.get(member.id);
  const incarnation = registration?.value.incarnation;
  const contact = sight(member.id);
  const beat = incarnation === undefined ? undefined : heartbeatOf(view, member.id, incarnation)?.value;
  const isHeard = registration !== undefined && (contact === "up" || contact === "unknown");
  if (incarnation === undefined || !isHeard) return refuse("leave-host-not-heard", params);
  if (beat !== undefined && (beat.agentAgeMs === null || beat.agentAgeMs > limits.agentSilentMs)) {
    return refuse("leave-agent-silent", params);
  }
  const leaves = leavesAlready(view, member.id, incarnation);
  if (leaves !== undefined) return refuse("leave-already", { ...params, next: leaves });
  const unreadable = refuseUnreadable(view, keys.hostMode(member.id));
  if (unreadable !== undefined) return unreadable;
  const standsStill = request.next === "agent-restart" ? undefined : whyAllStandStill(view, member.id, sight);
  if (standsStill !== undefined && request.accept !== true) {
    return refuse("leave-loses-majority", { ...params, ...standsStill.params, next: request.next });
  }
  const accepted = standsStill === undefined ? [] : [acceptedLeave(request.next, standsStill, asked)];
  const record = leaveIntent({ id: intent, host: member.id, incarnation, next: request.next }, asked);
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.intent(intent), undefined),
        unchanged(keys.host(member.id), registration),
        unchanged(keys.hostMode(member.id), view.modes.get(member.id)),
      ],
      [put(keys.intent(intent), record)],
    ),
    outcome: { kind: "host-intent", host: member.id, name: member.name, intent },
    events: [toldOfHost("host-leave-requested", member, asked, { next: request.next }), ...accepted],
  };
}

/** Without this host, and without those that are down or going down already, nothing would be decided: all VMs freeze (S2). */
function whyAllStandStill(view: ClusterView, leaving: HostId, sight: Sight): Reason | undefined {
  // A cluster of one stands or falls with it: that is no surprise.
  if (view.members.size < 2) return undefined;
  const stays = (host: HostId): boolean => {
    const contact = sight(host);
    const incarnation = view.hosts.get(host)?.value.incarnation;
    const goes = incarnation === undefined ? undefined : leavesAlready(view, host, incarnation);
    return (contact === "up" || contact === "unknown") && goes !== "reboot" && goes !== "power-off";
  };
  return whyNoMajority(view, stays, new Set([leaving]));
}

function acceptedLeave(next: LeaveRequest["next"], reason: Reason, asked: Asked): EventDraft {
  const edit = next === "reboot" ? "host reboot" : "host shutdown";
  const params = { edit, breaks: 1 };
  return { type: "edit-accepted", subjects: {}, params, reason, alternatives: [], actor: asked.actor };
}

/** What this life of the host is about to do, by its own word or by an order that it has not answered yet. */
function leavesAlready(view: ClusterView, host: HostId, incarnation: Incarnation): HostMode["next"] | undefined {
  const mode = view.modes.get(host)?.value;
  if (mode !== undefined && mode.incarnation === incarnation && mode.mode !== "active") return mode.next;
  for (const { value } of valuesInKeyOrder(view.intents)) {
    const isOpen = value.kind === "leave-host" && value.answer.kind === "open" && value.next !== "nothing";
    if (isOpen && value.host === host && value.incarnation === incarnation) return value.next;
  }
  return undefined;
}

/** Whether a host that was lost too often still gets no new VMs; by the wall clock, for people and for placing alone. */
export function isQuarantined(losses: HostLosses | undefined, at: number): boolean {
  return losses !== undefined && losses.quarantinedUntil !== null && losses.quarantinedUntil > at;
}

function toldOfHost(type: string, member: Member, asked: Asked, more: Record<string, string> = {}): EventDraft {
  const params = { host: member.name, ...more };
  return { type, subjects: { host: member.id }, params, reason: null, alternatives: [], actor: asked.actor };
}
