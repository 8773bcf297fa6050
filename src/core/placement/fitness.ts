import type { HostId, PoolId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Reason } from "../../model/reason.ts";
import type { HostFacts, VmSpec } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../../model/view.ts";
import { whyCannotShow } from "../cpu.ts";
import { limits } from "../limits.ts";
import type { Knowledge } from "./knowledge.ts";

export function reason(rule: string, code: string, params: Reason["params"]): Reason {
  return { rule, code, params };
}

/** PL1: why `host` can neither take VMs nor count as a place of any; undefined: it is there and does its work. */
export function whyAway(view: ClusterView, host: HostId, known: Knowledge): Reason | undefined {
  return whyNotAlive(view, host, known) ?? whyLeft(view, host) ?? whyUnread(view, host);
}

function whyNotAlive(view: ClusterView, host: HostId, known: Knowledge): Reason | undefined {
  if (view.members.get(host)?.value.role === "witness") return reason("PL1", "host-is-witness", { host });
  const registration = view.hosts.get(host)?.value;
  if (registration === undefined) return reason("PL1", "host-never-registered", { host });
  if (fenceOf(view, host, registration.incarnation) !== undefined) return reason("PL1", "host-is-fenced", { host });
  // Its power may go at any moment, whatever incarnation the order was for (S9).
  for (const fence of view.fences.get(host)?.values() ?? []) {
    const { device, proofs } = fence.value;
    if (device === "begun" && !proofs.includes("power-off")) return reason("S9", "host-power-being-cut", { host });
  }
  const contact = known.contacts.get(host);
  // What stood in this process's first snapshot may be of long ago: only a heartbeat that came since tells of life. So may what
  // had waited for it when it came back.
  if (contact === undefined || contact.incarnation !== registration.incarnation || !contact.live || contact.waited) {
    return reason("PL1", "host-not-heard", { host });
  }
  const silentMs = known.now - contact.heardAt;
  if (silentMs > limits.aliveMs) return reason("PL1", "host-is-silent", { host, silentMs });
  const heartbeat = heartbeatOf(view, host, registration.incarnation)?.value;
  if (heartbeat === undefined || heartbeat.agentAgeMs === null) return reason("S13", "agent-not-heard-yet", { host });
  if (heartbeat.agentAgeMs > limits.agentSilentMs) {
    return reason("S13", "agent-is-silent", { host });
  }
  return undefined;
}

/** What a newer version wrote about the host may say that it takes no VMs; what is there stays. */
export function whyUnread({ unreadable }: ClusterView, host: HostId): Reason | undefined {
  const unread = unreadable.has(keys.maintenance(host)) || unreadable.has(keys.hostMode(host));
  return unread ? reason("PL1", "host-record-unreadable", { host }) : undefined;
}

/** PL1: by whose word VMs leave `host`, or are about to; undefined: nobody's. */
export function whyLeft(view: ClusterView, host: HostId): Reason | undefined {
  if (view.maintenances.has(host)) return reason("PL1", "host-in-maintenance", { host });
  const mode = view.modes.get(host)?.value;
  // The word of an earlier incarnation was about its own end.
  if (mode === undefined || mode.mode === "active") return undefined;
  if (mode.incarnation !== view.hosts.get(host)?.value.incarnation) return undefined;
  return reason("PL1", "host-mode-not-active", { host, mode: mode.mode });
}

/** PL1: why nothing new comes to `host`, while what is there stays. */
export function whyClosed(view: ClusterView, host: HostId, known: Knowledge): Reason | undefined {
  const until = view.losses.get(host)?.value.quarantinedUntil ?? null;
  if (until === null || until <= known.wall) return undefined;
  return reason("PL1", "host-quarantined", { host, forMs: until - known.wall });
}

/** PL1, PL8: what a VM of this kind would miss on `host`; undefined: nothing, memory aside. */
export function whyLacks(host: HostId, facts: HostFacts | undefined, spec: VmSpec): Reason | undefined {
  if (facts === undefined) return reason("PL1", "host-facts-unknown", { host });
  for (const pool of new Set<PoolId>(spec.disks.map((disk) => disk.pool))) {
    const found = facts.pools.find((other) => other.pool === pool);
    if (found === undefined) return reason("PL1", "pool-not-on-host", { host, pool });
    if (found.unfit !== null) return reason("PL1", "pool-unfit", { host, pool, cause: found.unfit });
  }
  for (const nic of spec.nics) {
    const found = facts.networks.find((other) => other.network === nic.network);
    if (found === undefined) return reason("PL1", "network-not-on-host", { host, network: nic.network });
    if (found.unfit !== null) return reason("PL1", "network-unfit", { host, network: nic.network, cause: found.unfit });
  }
  return whyCannotShow(host, facts, spec.cpuModel);
}
