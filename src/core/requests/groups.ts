import { compareText } from "../../base/order.ts";
import { isSame } from "../../base/same.ts";
import type { GroupId, HostId, PoolId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Params, type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft, HostFacts, Member, Vm } from "../../model/records.ts";
import type { Group } from "../../model/replication-records.ts";
import type { Compare, Write } from "../../model/transaction.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { whyCannotShow } from "../cpu.ts";
import { limits } from "../limits.ts";
import { replicationLinks } from "../migration-links.ts";
import { areToGo } from "../replica-removal.ts";
import { groupOf } from "../replication-duty.ts";
import { clocksApartMs } from "../replication-groups.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { localDisks } from "../volume-place.ts";
import { findHost, findVm, hostName, poolName, vmName } from "./find.ts";
import { endOfReplicas, type Replicas } from "./group-delete.ts";
import { groupModeDefaults, type WantedMode, wantedMode } from "./group-mode.ts";
import { type GroupOptions, refuseQuota, resumedGroup, withOptions } from "./group-options.ts";
import type { Asked, Planned } from "./plan.ts";
import { changedPoints, type PointsChange } from "./points.ts";
import { someOf } from "./rule-parts.ts";
import type { Sight } from "./sight.ts";

export const groupLimits = {
  /** A transaction compares the record of each of its VMs. */
  vmsMax: 60,
} as const;

export type CreateGroupRequest = {
  readonly group: string;
  /** Hosts and VMs by name or id. */
  readonly from: string;
  readonly to: string;
  readonly vms: readonly string[];
} & WantedMode &
  GroupOptions;

export type SetGroupRequest = {
  readonly group: string;
  readonly addVms?: readonly string[] | undefined;
  readonly removeVms?: readonly string[] | undefined;
  readonly points?: PointsChange | undefined;
} & WantedMode &
  GroupOptions;

/** Protects VMs together: each write of theirs goes to both hosts. Refused where the other host could not take them. */
export function planCreateGroup(view: ClusterView, request: CreateGroupRequest, asked: Asked, sight?: Sight): Planned {
  const name = request.group as GroupId;
  if (view.groups.has(name) || view.unreadable.has(keys.group(name)))
    return refuse("group-name-taken", { group: name });
  const from = findHost(view, request.from);
  if (from.kind === "refused") return from;
  const to = findHost(view, request.to);
  if (to.kind === "refused") return to;
  const ends = refuseEnds(view, name, from.stored.value, to.stored.value);
  if (ends !== undefined) return ends;
  const group: Group = {
    schema: 1,
    name,
    vms: [],
    source: from.stored.value.id,
    target: to.stored.value.id,
    mode: { kind: "synchronous", boundMs: groupModeDefaults.boundMs },
    points: null,
    paused: [],
    createdAt: asked.at,
  };
  const mode = wantedMode(name, undefined, request);
  if (mode.kind === "refused") return mode;
  const vms = withVms(view, group, request.vms, sight);
  if (vms.kind === "refused") return vms;
  const wanted = withOptions({ ...group, vms: vms.vms, mode: mode.mode }, request);
  const turned = refuseTurned(view, wanted);
  if (turned !== undefined) return turned;
  return refuseQuota(view, wanted) ?? planEdit(view, undefined, wanted, "group-created", asked);
}

/** Takes VMs in or out, or changes how they are copied; a VM that goes out is copied no more, and its copy is forgotten. */
export function planSetGroup(view: ClusterView, request: SetGroupRequest, asked: Asked, sight?: Sight): Planned {
  const found = findGroup(view, request.group);
  if (found.kind === "refused") return found;
  const old = found.stored.value;
  const gone = new Set<VmId>();
  for (const wanted of request.removeVms ?? []) {
    const vm = findVm(view, wanted);
    const id = vm.kind === "refused" ? (wanted as VmId) : vm.stored.value.id;
    if (!old.vms.includes(id)) return refuse("group-vm-not-in-it", { group: old.name, vm: wanted });
    gone.add(id);
  }
  const left = { ...old, vms: old.vms.filter((vm) => !gone.has(vm)) };
  const vms = withVms(view, left, request.addVms ?? [], sight);
  if (vms.kind === "refused") return vms;
  const mode = wantedMode(old.name, old.mode, request);
  if (mode.kind === "refused") return mode;
  const points = changedPoints(old.points, request.points);
  const grown = vms.vms.some((vm) => !old.vms.includes(vm)) ? { grewAt: asked.at } : {};
  const next = withOptions({ ...old, ...grown, vms: vms.vms, mode: mode.mode, points }, request);
  const short = refuseQuota(view, next);
  if (short !== undefined) return short;
  if (isSame(next, old)) return refuse("group-nothing-to-change", { group: old.name });
  return planEdit(view, found.stored, next, "group-changed", asked);
}

/** `paused`: nothing is copied until somebody resumes it; the VMs go on without their copies. */
export function planPauseGroup(view: ClusterView, wanted: string, paused: boolean, asked: Asked): Planned {
  const found = findGroup(view, wanted);
  if (found.kind === "refused") return found;
  const old = found.stored.value;
  const resumed = paused ? undefined : resumedGroup(view, old, asked.at);
  if (old.paused.length > 0 === paused && resumed === undefined)
    return refuse(paused ? "group-paused-already" : "group-not-paused", { group: old.name });
  const next = { ...(resumed ?? old), paused: paused ? ["asked"] : [] };
  return planEdit(view, found.stored, next, paused ? "group-was-paused" : "group-resumed", asked);
}

/** Ends the protection. `replicas` undefined: only where there are none. */
export function planDeleteGroup(
  view: ClusterView,
  { group, replicas }: { readonly group: string; readonly replicas?: Replicas | undefined },
  asked: Asked,
  sight: Sight,
): Planned {
  const found = findGroup(view, group);
  if (found.kind === "refused") return found;
  const marks = endOfReplicas(view, found.stored.value, replicas, sight);
  if (marks.kind === "refused") return marks;
  return planEdit(view, found.stored, undefined, "group-deleted", asked, marks);
}

export function findGroup(
  view: ClusterView,
  wanted: string,
): { readonly kind: "found"; readonly stored: Stored<Group> } | Refusal {
  const trouble = view.unreadable.get(keys.group(wanted as GroupId));
  if (trouble !== undefined) return refuse("record-unreadable", { key: keys.group(wanted as GroupId), trouble });
  const stored = view.groups.get(wanted as GroupId);
  if (stored !== undefined) return { kind: "found", stored };
  return refuse("group-unknown", { group: wanted, known: someOf([...view.groups.keys()].sort(compareText)) });
}

/** All of its VMs, or the one of them that is asked for, by name or id. */
export function vmsOf(
  view: ClusterView,
  { name, vms }: Group,
  wanted: string | undefined,
): { readonly kind: "vms"; readonly vms: readonly VmId[] } | Refusal {
  if (wanted === undefined) return { kind: "vms", vms };
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const { id, name: known } = found.stored.value;
  return vms.includes(id) ? { kind: "vms", vms: [id] } : refuse("group-vm-not-in-it", { group: name, vm: known });
}

/** For whoever shows it. */
export function hostOf(view: ClusterView, id: HostId): { readonly id: HostId; readonly name: string } {
  return { id, name: hostName(view, id) };
}

function refuseEnds(view: ClusterView, group: string, from: Member, to: Member): Refusal | undefined {
  if (from.id === to.id) return refuse("group-one-host", { group, host: from.name });
  const witness = [from, to].find(({ role }) => role === "witness");
  if (witness !== undefined) return refuse("group-on-witness", { group, host: witness.name });
  const doubled = [from, to].find(({ links }) => new Set(links.map(({ subnet }) => subnet)).size < links.length);
  if (doubled !== undefined) return refuse("group-links-one-subnet", { group, host: doubled.name });
  const apartMs = clocksApartMs(view, from.id, to.id);
  if (apartMs >= limits.clockApartMs)
    return refuse("group-clocks-apart", { group, from: from.name, to: to.name, seconds: apartMs / 1_000 });
  const links = replicationLinks(from, to);
  return links.length > 0 ? undefined : refuse("group-no-link", { group, from: from.name, to: to.name });
}

/** Writes go from the host where a VM's disks lie: none of these would go the way that was asked for. */
function refuseTurned(view: ClusterView, { name, vms, source, target }: Group): Refusal | undefined {
  if (vms.some((vm) => view.owners.get(vm)?.value.host !== target)) return undefined;
  const known = someOf(vms.map((vm) => vmName(view, vm)));
  return refuse("group-turned-round", {
    group: name,
    vms: known,
    from: hostName(view, source),
    to: hostName(view, target),
  });
}

function withVms(
  view: ClusterView,
  group: Group,
  wanted: readonly string[],
  sight: Sight | undefined,
): { readonly kind: "vms"; readonly vms: VmId[] } | Refusal {
  const vms = new Set(group.vms);
  for (const one of wanted) {
    const found = findVm(view, one);
    if (found.kind === "refused") return found;
    const vm = found.stored.value;
    if (vms.has(vm.id)) return refuse("group-vm-twice", { group: group.name, vm: vm.name });
    const refused = refuseVm(view, group, vm, sight);
    if (refused !== undefined) return refused;
    vms.add(vm.id);
  }
  if (vms.size === 0) return refuse("group-would-be-empty", { group: group.name });
  if (vms.size > groupLimits.vmsMax) return refuse("group-too-large", { group: group.name, most: groupLimits.vmsMax });
  return refuseRoom(view, group, [...vms]) ?? { kind: "vms", vms: [...vms] };
}

function refuseVm(view: ClusterView, group: Group, vm: Vm, sight: Sight | undefined): Refusal | undefined {
  const params = { group: group.name, vm: vm.name };
  const other = groupOf(view, vm.id);
  if (other !== undefined && other.name !== group.name)
    return refuse("group-vm-in-another", { ...params, other: other.name });
  if (vm.spec.disks.length === 0) return refuse("replica-no-volumes", { vm: vm.name });
  if (localDisks(view, vm).length < vm.spec.disks.length) return refuse("group-vm-disks-shared", params);
  const at = view.owners.get(vm.id)?.value.host;
  if (at !== group.source && at !== group.target) {
    const hosts = `${hostName(view, group.source)} and ${hostName(view, group.target)}`;
    return refuse("group-vm-elsewhere", { ...params, host: at === undefined ? "?" : hostName(view, at), hosts });
  }
  const pulled = vm.spec.disks.find(({ pool }) => poolOn(view, at, pool)?.removable === true);
  if (pulled !== undefined)
    return refuse("group-pool-removable", { ...params, host: hostName(view, at), pool: poolName(view, pulled.pool) });
  const to = at === group.source ? group.target : group.source;
  // Of a lost host's VM they may be all that is left: a group that takes them is the way to go on from them.
  if (sight?.(at) === "up" && areToGo(view, vm.id, to))
    return refuse("group-copies-going", { ...params, host: hostName(view, to) });
  return refuseOtherEnd(view, vm, to, params);
}

function poolOn(view: ClusterView, host: HostId, pool: PoolId): HostFacts["pools"][number] | undefined {
  return view.facts.get(host)?.value.pools.find((other) => other.pool === pool);
}

/** The host of the copies must be one that could run the VM. */
function refuseOtherEnd(view: ClusterView, vm: Vm, to: HostId, params: Params): Refusal | undefined {
  const facts = view.facts.get(to)?.value;
  const host = hostName(view, to);
  if (facts === undefined) return refuse("group-target-not-known", { ...params, host });
  for (const { pool } of vm.spec.disks) {
    const found = poolOn(view, to, pool);
    if (found === undefined || found.unfit !== null)
      return refuse("group-pool-missing", { ...params, host, pool: poolName(view, pool) });
    if (found.removable) return refuse("group-pool-removable", { ...params, host, pool: poolName(view, pool) });
  }
  if (vm.spec.memoryMiB > facts.memoryForVmsMiB) {
    const needed = { neededMiB: vm.spec.memoryMiB, thereMiB: facts.memoryForVmsMiB };
    return refuse("group-target-too-small", { ...params, host, ...needed });
  }
  const why = whyCannotShow(to, facts, vm.spec.cpuModel);
  return why === undefined ? undefined : refuse("group-target-processor", { ...params, host, why: why.code });
}

/** Room for the copies that are not there yet, on either end. */
function refuseRoom(view: ClusterView, group: Group, vms: readonly VmId[]): Refusal | undefined {
  for (const end of [group.source, group.target]) {
    for (const { pool, freeMiB } of view.facts.get(end)?.value.pools ?? []) {
      let neededMiB = 0;
      for (const id of vms) {
        const vm = view.vms.get(id)?.value;
        const isThere = view.owners.get(id)?.value.host === end || group.vms.includes(id);
        if (vm === undefined || isThere) continue;
        for (const disk of vm.spec.disks) if (disk.pool === pool) neededMiB += disk.sizeMiB;
      }
      if (neededMiB <= freeMiB) continue;
      const params = { group: group.name, host: hostName(view, end), pool: poolName(view, pool) };
      return refuse("group-no-room", { ...params, neededMiB, freeMiB });
    }
  }
  return undefined;
}

/** One group at a time is edited in the whole cluster: no VM comes to be in two. */
function planEdit(
  view: ClusterView,
  before: Stored<Group> | undefined,
  after: Group | undefined,
  type: string,
  asked: Asked,
  also: { readonly compares: readonly Compare[]; readonly writes: readonly Write[] } = { compares: [], writes: [] },
): Planned {
  const group = (after ?? before?.value) as Group;
  const key = keys.group(group.name);
  const added = group.vms.filter((vm) => before?.value.vms.includes(vm) !== true);
  const params = {
    group: group.name,
    vms: someOf(group.vms.map((vm) => view.vms.get(vm)?.value.name ?? vm)),
    from: hostName(view, group.source),
    to: hostName(view, group.target),
  };
  const told: EventDraft = { type, subjects: {}, params, reason: null, alternatives: [], actor: asked.actor };
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(key, before),
        unchanged(keys.lastGroupEdit, view.lastGroupEdit),
        ...added.map((vm) => unchanged(keys.vm(vm), view.vms.get(vm))),
        ...(before === undefined ? [group.source, group.target] : []).map((host) =>
          unchanged(keys.member(host), view.members.get(host)),
        ),
        ...also.compares,
      ],
      [
        after === undefined ? remove(key) : put(key, after),
        put(keys.lastGroupEdit, { schema: 1, requestId: asked.actor.requestId }),
        ...also.writes,
      ],
    ),
    outcome: { kind: "cluster-changed" },
    events: [told],
  };
}
