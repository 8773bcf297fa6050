import { inKeyOrder, valuesInKeyOrder } from "../base/order.ts";
import type { HostId, Incarnation, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HeldOwner } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { waitFor } from "./contact.ts";
import { type Decided, type Decision, event, fenceKey, type ManagerKnowledge } from "./decision.ts";
import { needsDevice, poolsOf, proofTransaction } from "./fencing.ts";
import { limits } from "./limits.ts";
import { sourcesNotQuit } from "./migration.ts";
import { unchanged } from "./transactions.ts";
import { lostVms } from "./vm-index.ts";

/**
 * What is still to be proven of fenced incarnations that own VMs: `waited` after D+M from the receipt of the record
 * (S9), a device begun where a pool asks for one, or given up where the host lives on in a later incarnation (S11).
 */
export function decideProofs(view: ClusterView, known: ManagerKnowledge, also: readonly Compare[]): Decided {
  const givenUp = decideGivenUp(view, known, also);
  const decisions = [...givenUp.decisions];
  let { wakeAt } = givenUp;
  for (const lost of lostOwners(view)) {
    const { host, incarnation } = lost;
    const record = fenceOf(view, host, incarnation);
    if (
      record === undefined ||
      record.value.proofs.some((proof) => proof === "power-off" || proof === "last-word" || proof === "word")
    ) {
      continue;
    }
    const livesOn = livesOnAfter(view, host, incarnation);
    // Its power is left alone from now on: `decideGivenUp` says so first.
    if (livesOn && record.value.device === "begun") continue;
    const subject = `host ${host}`;
    // `abandoned` once, because the host had come back; by now it is gone again.
    const idle = record.value.device === "not-needed" || record.value.device === "abandoned";
    if (!livesOn && idle && lost.device && view.devices.has(host)) {
      // A host that registers meanwhile is not to be cut: it may adopt (S11).
      const stillDown = unchanged(keys.host(host), view.hosts.get(host));
      const transaction = proofTransaction(host, incarnation, record, { device: "begun" }, [stillDown, ...also]);
      decisions.push({ subject, transaction, events: [event("fence-device-begun", { host }, { host, incarnation })] });
      continue;
    }
    if (record.value.proofs.length > 0) continue;
    const dueAt = waitedAt(view, host, incarnation, known);
    if (known.now < dueAt) {
      wakeAt = Math.min(wakeAt ?? dueAt, dueAt);
      continue;
    }
    const transaction = proofTransaction(host, incarnation, record, { proof: "waited" }, also);
    decisions.push({
      subject,
      transaction,
      events: [event("fence-proof", { host }, { host, incarnation, proof: "waited" })],
    });
  }
  return { decisions, notices: [], wakeAt };
}

/**
 * S9, S11: a device begun is given up where its host lives on in a later incarnation, whatever became of the VMs of the earlier one:
 * until that is said, the power of the host may go at any moment, and nothing is placed there (PL1).
 */
function decideGivenUp(view: ClusterView, known: ManagerKnowledge, also: readonly Compare[]): Decided {
  const decisions: Decision[] = [];
  let wakeAt: number | undefined;
  for (const [host, lives] of inKeyOrder(view.fences)) {
    for (const [incarnation, record] of [...lives].sort(([a], [b]) => a - b)) {
      const { device, proofs } = record.value;
      if (device !== "begun" || proofs.includes("power-off") || !livesOnAfter(view, host, incarnation)) continue;
      const freeAt = noCallAfter(host, incarnation, known);
      if (known.now < freeAt) {
        wakeAt = Math.min(wakeAt ?? freeAt, freeAt);
        continue;
      }
      decisions.push({
        subject: `host ${host}`,
        transaction: proofTransaction(host, incarnation, record, { device: "abandoned" }, also),
        events: [event("fence-device-abandoned", { host }, { host, incarnation })],
      });
    }
  }
  return { decisions, notices: [], wakeAt };
}

/**
 * From when on no device can still be at work on `incarnation`. A process that led before it saw the record knows of every
 * call, and waits for its own. The call of an earlier leader, which may have died or lost contact in the midst of it,
 * began at the latest when that one heard of the host's return, or lost contact itself (S9).
 */
function noCallAfter(host: HostId, incarnation: Incarnation, known: ManagerKnowledge): number {
  const seenAt = known.fencesSeenAt.get(fenceKey(host, incarnation));
  if (known.leadingSince !== null && seenAt !== undefined && known.leadingSince < seenAt) return known.now;
  const contact = known.contacts.get(host);
  const backSince = contact !== undefined && contact.incarnation > incarnation ? contact.since : known.now;
  return backSince + limits.deviceCallMaxMs + 2 * limits.ownGapMaxMs;
}

/** D+M from the receipt of the record; the host's guards may enforce a longer D than ours (S7). */
function waitedAt(view: ClusterView, host: HostId, incarnation: Incarnation, known: ManagerKnowledge): number {
  const seenAt = known.fencesSeenAt.get(fenceKey(host, incarnation)) ?? known.now;
  const heartbeat = heartbeatOf(view, host, incarnation)?.value;
  const waitMs = heartbeat === undefined ? known.ownWaitMs : waitFor(heartbeat, known.ownWaitMs);
  return seenAt + waitMs;
}

type LostOwner = {
  readonly host: HostId;
  readonly incarnation: Incarnation;
  /** A pool of one of its wanted VMs asks for a device's word. */
  readonly device: boolean;
};

/**
 * The fenced (host, incarnation) pairs that own a VM, or had one that has not left them for certain (S15); in order.
 */
function lostOwners(view: ClusterView): readonly LostOwner[] {
  const found = new Map<string, LostOwner>();
  const add = (id: VmId, { host, incarnation }: Pick<HeldOwner, "host" | "incarnation">): void => {
    const vm = view.vms.get(id)?.value;
    const pools = vm === undefined ? undefined : poolsOf(vm, view);
    const device = pools !== undefined && needsDevice(pools) && vm?.requested === "started";
    const key = fenceKey(host, incarnation);
    found.set(key, { host, incarnation, device: device || (found.get(key)?.device ?? false) });
  };
  for (const id of lostVms(view)) {
    const owner = view.owners.get(id)?.value;
    if (owner?.kind === "held") add(id, owner);
  }
  for (const [id, source] of sourcesNotQuit(view)) if (fenceOf(view, source.host, source.incarnation)) add(id, source);
  return valuesInKeyOrder(found);
}

export type DeviceWork = { readonly host: HostId; readonly incarnation: Incarnation };

/** S9.2: the incarnations whose power is to be cut now: recorded as begun, not proven yet, and not living on as another. */
export function deviceWork(view: ClusterView): DeviceWork[] {
  const work: DeviceWork[] = [];
  for (const { host, incarnation } of lostOwners(view)) {
    const record = fenceOf(view, host, incarnation)?.value;
    if (record?.device !== "begun" || record.proofs.includes("power-off")) continue;
    if (!livesOnAfter(view, host, incarnation)) work.push({ host, incarnation });
  }
  return work;
}

/** The host came back as a later incarnation, which nobody has fenced: its power is left alone, and it may adopt (S11). */
function livesOnAfter(view: ClusterView, host: HostId, incarnation: Incarnation): boolean {
  const now = view.hosts.get(host)?.value.incarnation;
  return now !== undefined && now > incarnation && fenceOf(view, host, now) === undefined;
}
