import type { HostLosses, HostMode, HostUsage, Maintenance } from "./host-records.ts";
import type {
  GroupId,
  HostId,
  Incarnation,
  IntentId,
  NetworkId,
  PoolId,
  Revision,
  RuleId,
  StoreKey,
  TaskId,
  VmId,
} from "./ids.ts";
import { noRevision } from "./ids.ts";
import { type KeyName, keys } from "./keys.ts";
import type { VmMove, VmOrder, VmPlan } from "./move-records.ts";
import { type Parsed, parseChange } from "./parse-change.ts";
import type { Point } from "./point-records.ts";
import type { Disarm, Policy } from "./policy.ts";
import type {
  Cluster,
  Event,
  FenceDevice,
  FenceRecord,
  Heartbeat,
  HostFacts,
  HostRegistration,
  Intent,
  ManagerTerm,
  ManagerTick,
  Member,
  Network,
  Owner,
  Pool,
  Task,
  Vm,
  VmStatus,
} from "./records.ts";
import type { RemovedHost } from "./removal-records.ts";
import type { Group, Replica, VmCopying } from "./replication-records.ts";
import type { LastEdit, Rule } from "./rules.ts";
import type { Change } from "./transaction.ts";

/** A record and the revision of its last change: what a compare names. */
export type Stored<T> = { readonly value: T; readonly revision: Revision };
export type Records<K, T> = ReadonlyMap<K, Stored<T>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] extends ReadonlyMap<infer A, infer B> ? Map<A, B> : T[K] };

/** The whole store, parsed, as of one revision. Events are not in it: they go to the journal. */
export type ClusterView = {
  readonly revision: Revision;
  readonly cluster: Stored<Cluster> | undefined;
  readonly policy: Stored<Policy> | undefined;
  readonly disarm: Stored<Disarm> | undefined;
  readonly lastRuleEdit: Stored<LastEdit> | undefined;
  readonly lastVmDeletion: Stored<LastEdit> | undefined;
  readonly lastGroupEdit: Stored<LastEdit> | undefined;
  readonly term: Stored<ManagerTerm> | undefined;
  readonly tick: Stored<ManagerTick> | undefined;
  readonly members: Records<HostId, Member>;
  readonly hosts: Records<HostId, HostRegistration>;
  readonly facts: Records<HostId, HostFacts>;
  readonly devices: Records<HostId, FenceDevice>;
  readonly modes: Records<HostId, HostMode>;
  readonly maintenances: Records<HostId, Maintenance>;
  readonly losses: Records<HostId, HostLosses>;
  readonly usages: Records<HostId, HostUsage>;
  readonly removals: Records<HostId, RemovedHost>;
  readonly heartbeats: ReadonlyMap<HostId, Records<Incarnation, Heartbeat>>;
  readonly fences: ReadonlyMap<HostId, Records<Incarnation, FenceRecord>>;
  readonly vms: Records<VmId, Vm>;
  readonly statuses: Records<VmId, VmStatus>;
  readonly orders: Records<VmId, VmOrder>;
  readonly moves: Records<VmId, VmMove>;
  readonly plans: Records<VmId, VmPlan>;
  readonly copyings: Records<VmId, VmCopying>;
  readonly owners: Records<VmId, Owner>;
  readonly replicas: Records<StoreKey, Replica>;
  readonly points: Records<StoreKey, Point>;
  readonly groups: Records<GroupId, Group>;
  readonly rules: Records<RuleId, Rule>;
  readonly pools: Records<PoolId, Pool>;
  readonly networks: Records<NetworkId, Network>;
  readonly intents: Records<IntentId, Intent>;
  readonly tasks: Records<TaskId, Task>;
  /** Keys whose text this version cannot read, with why. Unread is not absent: nothing is decided about their subjects. */
  readonly unreadable: ReadonlyMap<StoreKey, string>;
  /** The revision of the last change to any record of a kind: tells what was derived from them that it is out of date. */
  readonly changedAt: ReadonlyMap<KeyName["kind"], Revision>;
  readonly vmChanges: VmChanges;
};
/**
 * The VMs of which a record changed, newest last, counted from `first` on; older ones are forgotten. Lets what is derived
 * from every VM's records be brought up to date by looking at a few.
 */
export type VmChanges = { readonly first: number; readonly ids: readonly VmId[] };
const vmChangesMax = 8_192;

type MutableView = Mutable<ClusterView>;

export function emptyView(): ClusterView {
  return {
    revision: noRevision,
    cluster: undefined,
    policy: undefined,
    disarm: undefined,
    lastRuleEdit: undefined,
    lastVmDeletion: undefined,
    lastGroupEdit: undefined,
    term: undefined,
    tick: undefined,
    members: new Map(),
    hosts: new Map(),
    facts: new Map(),
    devices: new Map(),
    modes: new Map(),
    maintenances: new Map(),
    losses: new Map(),
    usages: new Map(),
    removals: new Map(),
    heartbeats: new Map(),
    fences: new Map(),
    vms: new Map(),
    statuses: new Map(),
    orders: new Map(),
    moves: new Map(),
    plans: new Map(),
    copyings: new Map(),
    owners: new Map(),
    replicas: new Map(),
    points: new Map(),
    groups: new Map(),
    rules: new Map(),
    pools: new Map(),
    networks: new Map(),
    intents: new Map(),
    tasks: new Map(),
    unreadable: new Map(),
    changedAt: new Map(),
    vmChanges: { first: 0, ids: [] },
  };
}

/** What a batch of changes was about: heartbeats, ticks and measured figures alone need no new decision. */
export type Touched = {
  readonly heartbeats: readonly {
    readonly host: HostId;
    readonly incarnation: Incarnation;
    readonly revision: Revision;
  }[];
  readonly tick: boolean;
  readonly usages: boolean;
  readonly others: boolean;
  readonly vms: ReadonlySet<VmId>;
  readonly events: readonly { readonly event: Event; readonly revision: Revision }[];
};

/** Brings `view` to the state after `changes` (in order of revision). The only place that changes a view. */
export function applyChanges(view: ClusterView, changes: readonly Change[], revision: Revision): Touched {
  const target = view as MutableView;
  const touched = {
    heartbeats: [] as Touched["heartbeats"][number][],
    tick: false,
    usages: false,
    others: false,
    vms: new Set<VmId>(),
    events: [] as Touched["events"][number][],
  };
  for (const change of changes) {
    const parsed = parseChange(change);
    if (parsed.trouble !== null) target.unreadable.set(change.key, parsed.trouble);
    else if (target.unreadable.size > 0) target.unreadable.delete(change.key);
    place(target, parsed, change.revision);
    target.changedAt.set(parsed.name.kind, change.revision);
    const { name } = parsed;
    if (name.kind === "heartbeat") {
      if (parsed.value !== undefined) {
        touched.heartbeats.push({ host: name.host, incarnation: name.incarnation, revision: change.revision });
      }
    } else if (name.kind === "manager-tick") touched.tick = true;
    else if (name.kind === "host-usage") touched.usages = true;
    else if (name.kind === "event") {
      if (parsed.value !== undefined) touched.events.push({ event: parsed.value as Event, revision: change.revision });
    } else {
      touched.others = true;
      if ("vm" in name) touched.vms.add(name.vm);
    }
  }
  target.revision = revision;
  noteVms(target, touched.vms);
  return touched;
}

function noteVms(view: MutableView, vms: ReadonlySet<VmId>): void {
  if (vms.size === 0) return;
  const changes = view.vmChanges as { first: number; ids: VmId[] };
  for (const vm of vms) changes.ids.push(vm);
  if (changes.ids.length <= vmChangesMax) return;
  const forgotten = changes.ids.length - vmChangesMax / 2;
  changes.ids.splice(0, forgotten);
  changes.first += forgotten;
}

const ofCluster = {
  "last-rule-edit": "lastRuleEdit",
  "last-vm-deletion": "lastVmDeletion",
  "last-group-edit": "lastGroupEdit",
  "manager-term": "term",
  "manager-tick": "tick",
} as const;
const byHost = {
  member: "members",
  host: "hosts",
  "host-facts": "facts",
  "fence-device": "devices",
  "host-mode": "modes",
  maintenance: "maintenances",
  "host-losses": "losses",
  "host-usage": "usages",
  "removed-host": "removals",
} as const;
const byVm = {
  vm: "vms",
  "vm-status": "statuses",
  "vm-order": "orders",
  "vm-move": "moves",
  "vm-plan": "plans",
  "vm-copying": "copyings",
  owner: "owners",
} as const;

function place(view: MutableView, parsed: Parsed, revision: Revision): void {
  const { name } = parsed;
  const stored = parsed.value === undefined ? undefined : { value: parsed.value as never, revision };
  switch (name.kind) {
    case "cluster":
    case "policy":
    case "disarm":
      view[name.kind] = stored;
      return;
    case "last-rule-edit":
    case "last-vm-deletion":
    case "last-group-edit":
    case "manager-term":
    case "manager-tick":
      view[ofCluster[name.kind]] = stored;
      return;
    case "member":
    case "host":
    case "host-facts":
    case "fence-device":
    case "host-mode":
    case "maintenance":
    case "host-losses":
    case "host-usage":
    case "removed-host":
      put(view[byHost[name.kind]] as Map<HostId, Stored<never>>, name.host, stored);
      return;
    case "heartbeat":
      putNested(view.heartbeats as Map<HostId, Map<Incarnation, Stored<Heartbeat>>>, name, stored);
      return;
    case "fence":
      putNested(view.fences as Map<HostId, Map<Incarnation, Stored<FenceRecord>>>, name, stored);
      return;
    case "vm":
    case "vm-status":
    case "vm-order":
    case "vm-move":
    case "vm-plan":
    case "vm-copying":
    case "owner":
      put(view[byVm[name.kind]] as Map<VmId, Stored<never>>, name.vm, stored);
      return;
    case "replica":
      put(view.replicas, keys.replica(name.vm, name.volume, name.host), stored);
      return;
    case "point":
      put(view.points, keys.point(name.vm, name.point), stored);
      return;
    default:
      placeNamed(view, name, stored);
  }
}

/** What people name themselves, what is asked for, and what no view keeps. */
type Named = Extract<
  KeyName,
  { kind: "group" | "rule" | "pool" | "network" | "intent" | "task" | "event" | "vm-name" | "request" | "unknown" }
>;

function placeNamed(view: MutableView, name: Named, stored: Stored<never> | undefined): void {
  switch (name.kind) {
    case "group":
      put(view.groups, name.group, stored);
      return;
    case "rule":
      put(view.rules, name.rule, stored);
      return;
    case "pool":
      put(view.pools, name.pool, stored);
      return;
    case "network":
      put(view.networks, name.network, stored);
      return;
    case "intent":
      put(view.intents, name.intent, stored);
      return;
    case "task":
      put(view.tasks, name.task, stored);
      return;
    case "event":
    case "vm-name":
    case "request":
    case "unknown":
      return;
  }
}

function put<K, T>(map: Map<K, Stored<T>>, key: K, stored: Stored<T> | undefined): void {
  if (stored === undefined) map.delete(key);
  else map.set(key, stored);
}

function putNested<T>(
  map: Map<HostId, Map<Incarnation, Stored<T>>>,
  name: { readonly host: HostId; readonly incarnation: Incarnation },
  stored: Stored<T> | undefined,
): void {
  const inner = map.get(name.host) ?? new Map<Incarnation, Stored<T>>();
  put(inner, name.incarnation, stored);
  map.set(name.host, inner);
}

/** The fence record of one incarnation, if there is one. */
export function fenceOf(view: ClusterView, host: HostId, incarnation: Incarnation): Stored<FenceRecord> | undefined {
  return view.fences.get(host)?.get(incarnation);
}

/** The last heartbeat of one incarnation, if there was one. */
export function heartbeatOf(view: ClusterView, host: HostId, incarnation: Incarnation): Stored<Heartbeat> | undefined {
  return view.heartbeats.get(host)?.get(incarnation);
}
