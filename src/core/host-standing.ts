import type { HostMode } from "../model/host-records.ts";
import type { HostId, Incarnation, InstantMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { FenceRecord } from "../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { agentSilenceMs, type Contacts } from "./contact.ts";
import { limits } from "./limits.ts";

/**
 * A host that left in order writes its own fence, with nothing but its last word. One whose earlier life ended in silence
 * is fenced by its next one, which says so (S9).
 */
export function leftInOrder(fence: FenceRecord): boolean {
  return fence.cause === "self" && !fence.proofs.includes("silence");
}

/** What the host said it is about to do, of its present life: the word of an earlier one was about its own end. */
function modeOf(view: ClusterView, host: HostId): HostMode | undefined {
  const mode = view.modes.get(host)?.value;
  return mode?.incarnation === view.hosts.get(host)?.value.incarnation ? mode : undefined;
}

/** VMs that are wanted leave the host and come back later: a person asked for peace, or it waits to be empty (HM3, HM4). */
export function whyVmsLeave(view: ClusterView, host: HostId): Reason | undefined {
  if (view.maintenances.has(host)) return { rule: "HM3", code: "host-in-maintenance", params: { host } };
  const leaves = modeOf(view, host)?.mode === "leaving";
  return leaves ? { rule: "HM4", code: "host-is-leaving", params: { host } } : undefined;
}

/** It stops its VMs and lets them go: they start elsewhere at once (HM4). */
export function givesItsVmsUp(view: ClusterView, host: HostId): boolean {
  return modeOf(view, host)?.mode === "shutdown";
}

/**
 * VMs wait for the host: it said that it, or its agent, is back soon (HM4). One that was lost instead is waited for by
 * nobody: fenced, before it had gone or after it was up again, or up again with nobody there to start them. `known`: for
 * whoever can tell since when an agent that was never heard has been missing.
 */
export function isAwaited(view: ClusterView, host: HostId, known?: Known): boolean {
  const mode = view.modes.get(host)?.value;
  if (mode?.mode !== "restart") return false;
  if (isLost(view, host, mode.incarnation)) return false;
  const present = view.hosts.get(host)?.value.incarnation ?? mode.incarnation;
  if (fenceOf(view, host, present) !== undefined) return !isLost(view, host, present);
  return !isWithoutAgent(view, host, present, known);
}

type Known = { readonly now: InstantMs; readonly contacts: Contacts };

function isLost(view: ClusterView, host: HostId, incarnation: Incarnation): boolean {
  const fence = fenceOf(view, host, incarnation)?.value;
  return fence !== undefined && !leftInOrder(fence);
}

function isWithoutAgent(view: ClusterView, host: HostId, incarnation: Incarnation, known: Known | undefined): boolean {
  const beat = heartbeatOf(view, host, incarnation)?.value;
  if (beat === undefined) return false;
  const contact = known?.contacts.get(host);
  const isKnown = known !== undefined && contact?.incarnation === incarnation;
  const silentMs = isKnown ? agentSilenceMs(beat, contact, known.now) : (beat.agentAgeMs ?? 0);
  return silentMs > limits.agentSilentMs;
}
