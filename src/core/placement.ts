import { compareText, valuesInKeyOrder } from "../base/order.ts";
import type { HostId, InstantMs, PoolId, VmId, WallMs } from "../model/ids.ts";
import type { Alternative, Reason } from "../model/reason.ts";
import type { Vm } from "../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import type { Contacts } from "./contact.ts";
import { whyNotWelcome } from "./host-standing.ts";
import { limits } from "./limits.ts";
import { stageOf } from "./moves.ts";

export type Knowledge = {
  readonly now: InstantMs;
  /** For what is counted over boots and managers; never for a deadline. */
  readonly wall: WallMs;
  readonly contacts: Contacts;
  /** Where VMs go by transactions under way, which the view does not show yet: promised like what it shows (PL1). */
  readonly promised: ReadonlyMap<VmId, HostId>;
};

export type Placement =
  | { readonly kind: "place"; readonly on: HostId; readonly alternatives: readonly Alternative[] }
  | { readonly kind: "nowhere"; readonly alternatives: readonly Alternative[] };

/** MiB and number of VMs that hosts have promised: owned there now, or on the way. Kept by the caller while it places several. */
export type Load = { readonly memoryMiB: number; readonly vms: number };

export function loadOf(view: ClusterView, promised: Knowledge["promised"]): Map<HostId, Load> {
  const loads = new Map<HostId, Load>();
  for (const [vm, host] of promised) addLoad(loads, host, view.vms.get(vm)?.value);
  for (const [vm, owner] of view.owners) {
    if (owner.value.kind === "held" && !promised.has(vm)) addLoad(loads, owner.value.host, view.vms.get(vm)?.value);
  }
  // What runs is counted where it goes, too.
  for (const [vm, { value: move }] of view.moves) {
    if (!promised.has(vm) && stageOf(view, move) === "waits") addLoad(loads, move.to, view.vms.get(vm)?.value);
  }
  return loads;
}

export function addLoad(loads: Map<HostId, Load>, host: HostId, vm: Vm | undefined): void {
  const load = loads.get(host) ?? { memoryMiB: 0, vms: 0 };
  loads.set(host, { memoryMiB: load.memoryMiB + (vm?.spec.memoryMiB ?? 0), vms: load.vms + 1 });
}

/**
 * Where a VM starts: the fit host with the least VMs, ties by id. Each host that lost says why (PL1). `without` is the
 * host that is being left.
 */
export function place(
  view: ClusterView,
  vm: Vm,
  loads: ReadonlyMap<HostId, Load>,
  known: Knowledge,
  without: HostId | undefined,
): Placement {
  const fit: HostId[] = [];
  const alternatives: Alternative[] = [];
  for (const member of valuesInKeyOrder(view.members)) {
    const host = member.value.id;
    const why =
      host === without ? reason("PL1", "host-is-lost", { host }) : whyUnfit(view, vm, host, loads.get(host), known);
    if (why === undefined) fit.push(host);
    else alternatives.push({ option: host, why });
  }
  const vms = (host: HostId) => loads.get(host)?.vms ?? 0;
  fit.sort((a, b) => vms(a) - vms(b) || compareText(a, b));
  const [best, ...others] = fit;
  if (best === undefined) return { kind: "nowhere", alternatives };
  for (const host of others) {
    const code = vms(host) > vms(best) ? "host-has-more-vms" : "host-later-in-order";
    alternatives.push({ option: host, why: reason("PL1", code, { host, vms: vms(host), best: vms(best) }) });
  }
  return { kind: "place", on: best, alternatives };
}

function reason(rule: string, code: string, params: Reason["params"]): Reason {
  return { rule, code, params };
}

/** Why `host` cannot start `vm` now; undefined: it can. */
export function whyUnfit(
  view: ClusterView,
  vm: Vm,
  host: HostId,
  load: Load | undefined,
  known: Knowledge,
): Reason | undefined {
  return whyNotAlive(view, host, known) ?? whyNoRoom(view, vm, host, load) ?? whyFailed(view, vm.id, host);
}

function whyNotAlive(view: ClusterView, host: HostId, known: Knowledge): Reason | undefined {
  if (view.members.get(host)?.value.role === "witness") return reason("PL1", "host-is-witness", { host });
  const registration = view.hosts.get(host)?.value;
  if (registration === undefined) return reason("PL1", "host-never-registered", { host });
  if (fenceOf(view, host, registration.incarnation) !== undefined) return reason("PL1", "host-is-fenced", { host });
  const unwelcome = whyNotWelcome(view, host, known.wall);
  if (unwelcome !== undefined) return unwelcome;
  // Its power may go at any moment, whatever incarnation the order was for (S9).
  for (const fence of view.fences.get(host)?.values() ?? []) {
    const { device, proofs } = fence.value;
    if (device === "begun" && !proofs.includes("power-off")) return reason("S9", "host-power-being-cut", { host });
  }
  const contact = known.contacts.get(host);
  // What stood in this process's first snapshot may be of long ago: only a heartbeat that came since tells of life.
  if (contact === undefined || contact.incarnation !== registration.incarnation || !contact.live) {
    return reason("PL1", "host-not-heard", { host });
  }
  const silentMs = known.now - contact.heardAt;
  if (silentMs > limits.aliveMs) return reason("PL1", "host-is-silent", { host, silentMs });
  const heartbeat = heartbeatOf(view, host, registration.incarnation)?.value;
  if (heartbeat === undefined || heartbeat.agentAgeMs === null || heartbeat.agentAgeMs > limits.agentSilentMs) {
    return reason("S13", "agent-is-silent", { host });
  }
  return undefined;
}

function whyNoRoom(view: ClusterView, vm: Vm, host: HostId, load: Load | undefined): Reason | undefined {
  const facts = view.facts.get(host)?.value;
  if (facts === undefined) return reason("PL1", "host-facts-unknown", { host });
  for (const pool of new Set<PoolId>(vm.spec.disks.map((disk) => disk.pool))) {
    const found = facts.pools.find((other) => other.pool === pool);
    if (found === undefined) return reason("PL1", "pool-not-on-host", { host, pool });
    if (found.unfit !== null) return reason("PL1", "pool-unfit", { host, pool, cause: found.unfit });
  }
  for (const nic of vm.spec.nics) {
    const found = facts.networks.find((other) => other.network === nic.network);
    if (found === undefined) return reason("PL1", "network-not-on-host", { host, network: nic.network });
    if (found.unfit !== null) return reason("PL1", "network-unfit", { host, network: nic.network, cause: found.unfit });
  }
  const freeMiB = facts.memoryForVmsMiB - (load?.memoryMiB ?? 0);
  if (freeMiB < vm.spec.memoryMiB) {
    return reason("PL1", "host-memory-short", { host, freeMiB: Math.max(0, freeMiB), neededMiB: vm.spec.memoryMiB });
  }
  return undefined;
}

function whyFailed(view: ClusterView, vm: VmId, host: HostId): Reason | undefined {
  const failed = view.owners.get(vm)?.value.failedHosts.includes(host) ?? false;
  return failed ? reason("PL1", "vm-failed-here", { host }) : undefined;
}
