import type { HostLosses, Maintenance } from "../../model/host-records.ts";
import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { EventDraft, Member } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { findHost } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

export type MaintenanceRequest = { readonly host: string; readonly reason: string };

/**
 * Wants a host free of VMs, whatever its state: one that is being repaired gets none when it comes back. Not while the
 * cluster is disarmed: nothing would leave, and somebody might rely on it.
 */
export function planMaintenance(view: ClusterView, request: MaintenanceRequest, asked: Asked): Planned {
  const found = findHost(view, request.host);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  if (member.role === "witness") return refuse("maintenance-of-witness", { host: member.name });
  const disarm = view.disarm;
  if (disarm !== undefined) {
    return refuse("cluster-disarmed", { mode: disarm.value.mode, by: disarm.value.by.name });
  }
  const already = view.maintenances.get(member.id);
  if (already !== undefined) {
    return refuse("maintenance-already", { host: member.name, by: already.value.by.name });
  }
  const key = keys.maintenance(member.id);
  const record: Maintenance = { schema: 1, by: asked.actor, reason: request.reason, at: asked.at };
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(key, undefined), unchanged(keys.member(member.id), found.stored), unchanged(keys.disarm, undefined)],
      [put(key, record)],
    ),
    outcome: { kind: "host-changed", host: member.id, name: member.name },
    events: [toldOfHost("maintenance-requested", member, asked, { reason: request.reason || "-" })],
  };
}

/** Takes a host back: ends its maintenance, and a quarantine with the losses that led to it. */
export function planRelease(view: ClusterView, wanted: string, asked: Asked): Planned {
  const found = findHost(view, wanted);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  const maintenance = view.maintenances.get(member.id);
  const losses = view.losses.get(member.id);
  const quarantined = isQuarantined(losses?.value, asked.at) ? losses : undefined;
  if (maintenance === undefined && quarantined === undefined) {
    return refuse("host-not-held-back", { host: member.name });
  }
  const maintenanceKey = keys.maintenance(member.id);
  const lossesKey = keys.hostLosses(member.id);
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(maintenanceKey, maintenance), unchanged(lossesKey, losses)],
      [
        ...(maintenance === undefined ? [] : [remove(maintenanceKey)]),
        ...(quarantined === undefined
          ? []
          : [put<HostLosses>(lossesKey, { ...quarantined.value, at: [], quarantinedUntil: null })]),
      ],
    ),
    outcome: { kind: "host-changed", host: member.id, name: member.name },
    events: [
      ...(maintenance === undefined ? [] : [toldOfHost("maintenance-ended", member, asked)]),
      ...(quarantined === undefined ? [] : [toldOfHost("quarantine-lifted", member, asked)]),
    ],
  };
}

/** Whether a host that was lost too often still gets no new VMs; by the wall clock, for people and for placing alone. */
export function isQuarantined(losses: HostLosses | undefined, at: number): boolean {
  return losses !== undefined && losses.quarantinedUntil !== null && losses.quarantinedUntil > at;
}

function toldOfHost(type: string, member: Member, asked: Asked, more: Record<string, string> = {}): EventDraft {
  const params = { host: member.name, ...more };
  return { type, subjects: { host: member.id }, params, reason: null, alternatives: [], actor: asked.actor };
}
