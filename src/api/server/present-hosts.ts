import { compareNatural, compareText, inKeyOrder } from "../../base/order.ts";
import { leftInOrder } from "../../core/host-standing.ts";
import { isQuarantined } from "../../core/requests/change-host.ts";
import { promisedMiB } from "../../core/requests/create-vm.ts";
import { findHost, networkName, poolName } from "../../core/requests/find.ts";
import { isOverBy } from "../../core/silent-qemus.ts";
import type { HostId, PoolId } from "../../model/ids.ts";
import type { Refusal } from "../../model/reason.ts";
import type { HostFacts, Member, Vm } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../../model/view.ts";
import type { HostDetail, HostSummary } from "../contract/host.ts";
import type { PoolSummary } from "../contract/pool.ts";
import { presentStandstill } from "./present-standstill.ts";
import { presentUsage } from "./present-usage.ts";
import type { Tracker } from "./tracker.ts";

type Held = { readonly vm: Vm; readonly epoch: number };

function heldBy(view: ClusterView, host: HostId): Held[] {
  return inKeyOrder(view.owners).flatMap(([id, owner]) => {
    const vm = view.vms.get(id)?.value;
    return vm !== undefined && owner.value.kind === "held" && owner.value.host === host
      ? [{ vm, epoch: owner.value.epoch }]
      : [];
  });
}

/** The agent's word counts for the incarnation that said it. */
function modeOf(view: ClusterView, host: HostId): Pick<HostSummary, "mode" | "next"> {
  const mode = view.modes.get(host)?.value;
  if (mode === undefined || mode.incarnation !== view.hosts.get(host)?.value.incarnation) {
    return { mode: "active", next: "nothing" };
  }
  return { mode: mode.mode, next: mode.next };
}

export function presentHost(view: ClusterView, member: Member, tracker: Tracker): HostSummary {
  const registration = view.hosts.get(member.id)?.value;
  const facts = view.facts.get(member.id)?.value;
  const beat = registration && heartbeatOf(view, member.id, registration.incarnation)?.value;
  const held = heldBy(view, member.id);
  const state = tracker.contact(member.id);
  const standstill = tracker.standstill(member.id);
  const maintenance = view.maintenances.get(member.id)?.value;
  const losses = view.losses.get(member.id)?.value;
  return {
    id: member.id,
    name: member.name,
    role: member.role,
    state,
    incarnation: registration?.incarnation ?? null,
    heartbeatAgeMs: tracker.heartbeatAgeMs(member.id),
    frozen: isFrozen(state, beat?.frozen, standstill !== undefined, tracker.isLost(member.id)),
    standstill: presentStandstill(standstill),
    agentAgeMs: beat?.agentAgeMs ?? null,
    accel: facts?.accel ?? null,
    cores: facts?.cores ?? null,
    memoryForVmsMiB: facts?.memoryForVmsMiB ?? null,
    memoryUsedMiB: held.reduce((sum, { vm }) => sum + vm.spec.memoryMiB, 0),
    vms: held.length,
    maintenance:
      maintenance === undefined ? null : { by: maintenance.by, reason: maintenance.reason, at: maintenance.at },
    ...modeOf(view, member.id),
    ...howItEnded(view, member.id),
    quarantinedUntil: isQuarantined(losses, tracker.wall()) ? (losses?.quarantinedUntil ?? null) : null,
  };
}

/** By the fence of its present life, as long as no later one has begun. */
function howItEnded(view: ClusterView, host: HostId): Pick<HostSummary, "leftInOrder" | "poweredOff"> {
  const incarnation = view.hosts.get(host)?.value.incarnation;
  const fence = incarnation === undefined ? undefined : fenceOf(view, host, incarnation)?.value;
  if (fence === undefined) return { leftInOrder: false, poweredOff: false };
  return { leftInOrder: leftInOrder(fence), poweredOff: fence.proofs.includes("power-off") };
}

/** What a heartbeat said counts while heartbeats come; after that its deadline does (S2), or its fence (S9). */
function isFrozen(
  state: HostSummary["state"],
  saidBeat: boolean | undefined,
  standsStill: boolean,
  isLost: boolean,
): boolean | null {
  if (standsStill || isLost || state === "fenced") return true;
  return state === "up" ? (saidBeat ?? null) : null;
}

export function presentHosts(view: ClusterView, tracker: Tracker): HostSummary[] {
  return [...view.members.values()]
    .map(({ value }) => presentHost(view, value, tracker))
    .sort((a, b) => compareNatural(a.name, b.name));
}

export function presentHostDetail(view: ClusterView, wanted: string, tracker: Tracker): HostDetail | Refusal {
  const found = findHost(view, wanted);
  if (found.kind === "refused") return found;
  const member = found.stored.value;
  const registration = view.hosts.get(member.id)?.value;
  const facts = view.facts.get(member.id)?.value;
  const fence = registration && fenceOf(view, member.id, registration.incarnation)?.value;
  return {
    ...presentHost(view, member, tracker),
    machine: registration?.machine ?? null,
    registeredAt: registration?.registeredAt ?? null,
    joinedAt: member.joinedAt,
    links: member.links,
    cpuVendor: facts?.cpuVendor ?? null,
    cpuModel: facts?.cpuModel ?? null,
    guestCpu: presentGuestCpu(facts?.guestCpu),
    memoryMiB: facts?.memoryMiB ?? null,
    usage: presentUsage(view, member.id, undefined),
    versions: facts?.versions ?? {},
    clockOffsetMs: facts?.clockOffsetMs ?? null,
    networks: (facts?.networks ?? []).map((reading) => ({ ...reading, network: networkName(view, reading.network) })),
    pools: (facts?.pools ?? []).map((reading) => ({ ...reading, pool: poolName(view, reading.pool) })),
    checks: (facts?.checks ?? []).filter((check) => !isOverBy(view, member.id, check)),
    fence:
      fence === undefined
        ? null
        : { cause: fence.cause, by: fence.by, device: fence.device, proofs: fence.proofs, at: fence.at },
    holds: heldBy(view, member.id).map(({ vm, epoch }) => ({ id: vm.id, name: vm.name, epoch })),
  };
}

export function presentPools(view: ClusterView): PoolSummary[] {
  return [...view.pools.values()]
    .map(({ value: pool }) => ({
      id: pool.id,
      name: pool.name,
      kind: pool.kind,
      path: pool.path,
      quotaMiB: pool.quotaMiB,
      promisedMiB: promisedMiB(view, pool.id),
      hosts: readingsOf(view, pool.id),
    }))
    .sort((a, b) => compareText(a.name, b.name));
}

function readingsOf(view: ClusterView, pool: PoolId): PoolSummary["hosts"] {
  return inKeyOrder(view.facts).flatMap(([host, facts]) =>
    facts.value.pools
      .filter((reading) => reading.pool === pool)
      .map(({ capacityMiB, freeMiB, unfit }) => ({ host, capacityMiB, freeMiB, unfit })),
  );
}

function presentGuestCpu(cpu: HostFacts["guestCpu"]): HostDetail["guestCpu"] {
  if (cpu === undefined) return null;
  const models = Object.keys(cpu.models).filter((model) => cpu.models[model]?.length === 0);
  return { vendor: cpu.vendor, models: models.sort() };
}
