import type {
  GroupId,
  HostId,
  Incarnation,
  IntentId,
  NetworkId,
  PoolId,
  RuleId,
  StoreKey,
  TaskId,
  VmId,
  VolumeId,
} from "./ids.ts";

/** Every key of the store. Each ends in a slash, so that no key is a prefix of a sibling (`h1`, `h10`). */
export const keys = {
  cluster: "/cluster/" as StoreKey,
  policy: "/policy/" as StoreKey,
  disarm: "/disarm/" as StoreKey,
  /** Written with every edit of a rule: what one edit rests on, all rules, is compared by this one key (AF6). */
  lastRuleEdit: "/last/rule-edit/" as StoreKey,
  /** Written with every deletion of a VM, without a compare: deletions do not wait for each other (AF6). */
  lastVmDeletion: "/last/vm-deletion/" as StoreKey,
  /** Written with every edit of a group: no VM is ever in two of them. */
  lastGroupEdit: "/last/group-edit/" as StoreKey,
  managerTerm: "/manager/term/" as StoreKey,
  managerTick: "/manager/tick/" as StoreKey,
  member: (host: HostId) => `/members/${host}/` as StoreKey,
  host: (host: HostId) => `/hosts/${host}/` as StoreKey,
  hostFacts: (host: HostId) => `/hosts/${host}/facts/` as StoreKey,
  fenceDevice: (host: HostId) => `/hosts/${host}/device/` as StoreKey,
  hostMode: (host: HostId) => `/hosts/${host}/mode/` as StoreKey,
  maintenance: (host: HostId) => `/hosts/${host}/maintenance/` as StoreKey,
  hostLosses: (host: HostId) => `/hosts/${host}/losses/` as StoreKey,
  hostUsage: (host: HostId) => `/hosts/${host}/usage/` as StoreKey,
  /** Below the registration, so that one look at a host shows both. */
  removedHost: (host: HostId) => `/hosts/${host}/removed/` as StoreKey,
  heartbeat: (host: HostId, n: Incarnation) => `/hb/${host}/${n}/` as StoreKey,
  fence: (host: HostId, n: Incarnation) => `/fence/${host}/${n}/` as StoreKey,
  vm: (vm: VmId) => `/vms/${vm}/` as StoreKey,
  vmStatus: (vm: VmId) => `/vms/${vm}/status/` as StoreKey,
  vmOrder: (vm: VmId) => `/vms/${vm}/order/` as StoreKey,
  vmMove: (vm: VmId) => `/vms/${vm}/move/` as StoreKey,
  vmPlan: (vm: VmId) => `/vms/${vm}/plan/` as StoreKey,
  vmCopying: (vm: VmId) => `/vms/${vm}/copying/` as StoreKey,
  owner: (vm: VmId) => `/owner/${vm}/` as StoreKey,
  replica: (vm: VmId, volume: VolumeId, host: HostId) => `/replicas/${vm}/${volume}/${host}/` as StoreKey,
  point: (vm: VmId, point: string) => `/points/${vm}/${point}/` as StoreKey,
  /** Holds the id of the VM that bears the name: makes a name unique by one compare. */
  vmName: (name: string) => `/names/vm/${name}/` as StoreKey,
  pool: (pool: PoolId) => `/pools/${pool}/` as StoreKey,
  network: (network: NetworkId) => `/networks/${network}/` as StoreKey,
  group: (group: GroupId) => `/groups/${group}/` as StoreKey,
  rule: (rule: RuleId) => `/rules/${rule}/` as StoreKey,
  intent: (intent: IntentId) => `/intents/${intent}/` as StoreKey,
  task: (task: TaskId) => `/tasks/${task}/` as StoreKey,
  /** What was answered to a request; not part of the view: only a repeated request asks for it. */
  request: (requestId: string) => `/requests/${requestId}/` as StoreKey,
  event: (host: HostId, boot: string, seq: number) => `/events/${host}/${boot}-${seq}/` as StoreKey,
} as const;

/** All requests: for the sweep that removes old ones. */
export const requestsPrefix = "/requests/" as StoreKey;
/** All events: for the job that keeps the recent ones. */
export const eventsPrefix = "/events/" as StoreKey;

/** What a key names. `unknown` keys are left alone: a newer version may have written them. */
export type KeyName =
  | { readonly kind: "cluster" | "policy" | "disarm" | "manager-term" | "manager-tick" }
  | { readonly kind: "last-rule-edit" | "last-vm-deletion" | "last-group-edit" }
  | { readonly kind: "member" | "host" | HostSubKey; readonly host: HostId }
  | { readonly kind: "heartbeat" | "fence"; readonly host: HostId; readonly incarnation: Incarnation }
  | { readonly kind: "vm" | VmSubKey | "owner"; readonly vm: VmId }
  | { readonly kind: "replica"; readonly vm: VmId; readonly volume: VolumeId; readonly host: HostId }
  | { readonly kind: "point"; readonly vm: VmId; readonly point: string }
  | { readonly kind: "vm-name"; readonly name: string }
  | { readonly kind: "pool"; readonly pool: PoolId }
  | { readonly kind: "network"; readonly network: NetworkId }
  | { readonly kind: "group"; readonly group: GroupId }
  | { readonly kind: "rule"; readonly rule: RuleId }
  | { readonly kind: "intent"; readonly intent: IntentId }
  | { readonly kind: "task"; readonly task: TaskId }
  | { readonly kind: "request"; readonly requestId: string }
  | { readonly kind: "event"; readonly host: HostId; readonly boot: string; readonly seq: number }
  | { readonly kind: "unknown" };

const unknownKey: KeyName = { kind: "unknown" };
const hostSubKeys = {
  facts: "host-facts",
  device: "fence-device",
  mode: "host-mode",
  maintenance: "maintenance",
  losses: "host-losses",
  usage: "host-usage",
  removed: "removed-host",
} as const;
type HostSubKey = (typeof hostSubKeys)[keyof typeof hostSubKeys];
const vmSubKeys = {
  status: "vm-status",
  order: "vm-order",
  move: "vm-move",
  plan: "vm-plan",
  copying: "vm-copying",
} as const;
type VmSubKey = (typeof vmSubKeys)[keyof typeof vmSubKeys];

/** Takes a key apart; the inverse of `keys`. */
export function parseKey(key: string): KeyName {
  const parts = key.split("/");
  // Without what is before the first slash and after the last one.
  parts.pop();
  const count = parts.length - 1;
  const root = parts[1];
  const first = parts[2];
  const second = parts[3];
  const third = parts[4];
  switch (root) {
    case "cluster":
    case "policy":
    case "disarm":
      return count === 1 ? { kind: root } : unknownKey;
    case "manager":
      return first === "term" || first === "tick" ? { kind: `manager-${first}` } : unknownKey;
    case "last":
      if (first !== "rule-edit" && first !== "vm-deletion" && first !== "group-edit") return unknownKey;
      return { kind: `last-${first}` };
    case "members":
      return first === undefined ? unknownKey : { kind: "member", host: first as HostId };
    case "hosts":
      return parseHostKey(first, second);
    case "hb":
    case "fence":
      return parseIncarnationKey(root === "hb" ? "heartbeat" : "fence", first, second);
    case "vms":
      return parseVmKey(first, second);
    case "owner":
      return first === undefined ? unknownKey : { kind: "owner", vm: first as VmId };
    case "replicas":
      if (first === undefined || second === undefined || third === undefined) return unknownKey;
      return { kind: "replica", vm: first as VmId, volume: second as VolumeId, host: third as HostId };
    case "points":
      return first === undefined || second === undefined
        ? unknownKey
        : { kind: "point", vm: first as VmId, point: second };
    case "names":
      return first === "vm" && second !== undefined ? { kind: "vm-name", name: second } : unknownKey;
    case "pools":
      return first === undefined ? unknownKey : { kind: "pool", pool: first as PoolId };
    case "networks":
      return first === undefined ? unknownKey : { kind: "network", network: first as NetworkId };
    case "groups":
      return first === undefined ? unknownKey : { kind: "group", group: first as GroupId };
    case "rules":
      return first === undefined ? unknownKey : { kind: "rule", rule: first as RuleId };
    case "intents":
      return first === undefined ? unknownKey : { kind: "intent", intent: first as IntentId };
    case "tasks":
      return first === undefined ? unknownKey : { kind: "task", task: first as TaskId };
    case "requests":
      return first === undefined ? unknownKey : { kind: "request", requestId: first };
    case "events":
      return parseEventKey(first, second);
    default:
      return unknownKey;
  }
}

function parseHostKey(host: string | undefined, sub: string | undefined): KeyName {
  if (host === undefined) return unknownKey;
  if (sub === undefined) return { kind: "host", host: host as HostId };
  const kind = Object.hasOwn(hostSubKeys, sub) ? hostSubKeys[sub as keyof typeof hostSubKeys] : undefined;
  return kind === undefined ? unknownKey : { kind, host: host as HostId };
}

function parseVmKey(vm: string | undefined, sub: string | undefined): KeyName {
  if (vm === undefined) return unknownKey;
  if (sub === undefined) return { kind: "vm", vm: vm as VmId };
  const kind = Object.hasOwn(vmSubKeys, sub) ? vmSubKeys[sub as keyof typeof vmSubKeys] : undefined;
  return kind === undefined ? unknownKey : { kind, vm: vm as VmId };
}

function parseIncarnationKey(kind: "heartbeat" | "fence", host: string | undefined, n: string | undefined): KeyName {
  const incarnation = Number(n);
  if (host === undefined || !Number.isSafeInteger(incarnation) || incarnation < 1) return unknownKey;
  return { kind, host: host as HostId, incarnation: incarnation as Incarnation };
}

function parseEventKey(host: string | undefined, bootSeq: string | undefined): KeyName {
  const cut = bootSeq?.lastIndexOf("-") ?? -1;
  const seq = Number(bootSeq?.slice(cut + 1));
  if (host === undefined || bootSeq === undefined || cut < 1 || !Number.isSafeInteger(seq)) return unknownKey;
  return { kind: "event", host: host as HostId, boot: bootSeq.slice(0, cut), seq };
}
