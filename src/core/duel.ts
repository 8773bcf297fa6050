import { compareText } from "../base/order.ts";
import type { HostId } from "../model/ids.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { isDisarmed } from "./disarmed.ts";
import { protectionOf } from "./replication-duty.ts";
import { foreseeTakeover } from "./takeover.ts";
import { vmIndex } from "./vm-index.ts";

/** No word from the store, by the process that asks: longer than an election, a restart of a member, a short cut. */
const silentMs = 8_000;
/** In a duel the preferred host shoots first, and the other one waits for so long (S23). */
const duelMs = 10_000;

/**
 * After how long without a word from the store this host cuts the other one's power by itself, in a cluster of two whose
 * other host has a device (S23). Undefined: it never does. The view has to be one that this process has read from a store
 * that decides: a host that boots shoots nobody.
 */
export function shootsAfter(view: ClusterView, self: HostId): number | undefined {
  const others = [...view.members.values()].filter(({ value }) => value.id !== self);
  const [other] = others;
  if (other === undefined || others.length !== 1 || other.value.role !== "host" || isDisarmed(view)) return undefined;
  const peer = other.value.id;
  if (!view.devices.has(peer) || !isAtWork(view, self) || !isAtWork(view, peer)) return undefined;
  if (!isWorthIt(view, self, peer)) return undefined;
  return compareText(self, peer) < 0 ? silentMs : silentMs + duelMs;
}

/** Registered, heard, and about to stay: one that goes down in order takes the store along, and is back soon. */
function isAtWork(view: ClusterView, host: HostId): boolean {
  const incarnation = view.hosts.get(host)?.value.incarnation;
  if (incarnation === undefined || fenceOf(view, host, incarnation) !== undefined) return false;
  const mode = view.modes.get(host)?.value;
  const stays = mode === undefined || mode.incarnation !== incarnation || mode.mode === "active";
  return stays && heartbeatOf(view, host, incarnation) !== undefined;
}

/** A VM would start here, or one that runs here waits for its copy (S8). */
function isWorthIt(view: ClusterView, self: HostId, peer: HostId): boolean {
  if (foreseeTakeover(view, self, [peer]).some(({ why }) => why === null)) return true;
  return [...(vmIndex(view).heldBy.get(self) ?? [])].some((vm) => protectionOf(view, vm) !== undefined);
}
