import { poolKindSchema, requestedStateSchema } from "../../model/records.ts";
import { outsideLimits, type ProfileName, planProfiles } from "../plan.ts";
import { isSimCpu, simCpus } from "../world/processors.ts";
import type { StoryCluster, StoryVm } from "./scenario.ts";

type Draft = { -readonly [K in keyof StoryCluster]: StoryCluster[K] } & { hostNames: readonly string[] };

/** The words behind `cluster`, or what is wrong with them. */
export function parseCluster(words: readonly string[]): StoryCluster | string {
  const pairs = words.map((word) => {
    const at = word.indexOf("=");
    return { key: word.slice(0, Math.max(0, at)), value: word.slice(at + 1) };
  });
  const hosts = pairs.find((pair) => pair.key === "hosts")?.value.split(",") ?? [];
  if (hosts.length < 2) return "a cluster names its hosts: hosts=h1,h2,h3";
  if (hosts.some((host, i) => host !== `h${i + 1}`)) return "hosts are called h1, h2, h3 … in this order";
  const last = hosts.at(-1) ?? "";
  const draft: Draft = {
    hosts: hosts.length,
    hostNames: hosts,
    witness: false,
    voters: hosts.length < 3 ? 1 : 3,
    profile: "default",
    hostProfiles: {},
    hostCpus: {},
    accel: "tcg",
    manager: last,
    storeLeader: last,
    memoryMiB: 1_024,
    devices: true,
    scheduler: "basic",
    rebalanceOnStart: false,
    autoRebalance: false,
    outside: [],
    pools: [],
    vms: [],
    groups: [],
  };
  for (const { key, value } of pairs) {
    const problem = key === "hosts" ? undefined : takePair(draft, key, value);
    if (problem !== undefined) return problem;
  }
  return finish(draft);
}

function takePair(draft: Draft, key: string, value: string): string | undefined {
  switch (key) {
    case "pool":
      return takePool(draft, value);
    case "vm":
      return takeVm(draft, value);
    case "group":
      return takeGroup(draft, value);
    case "witness":
      draft.witness = true;
      return value === draft.hostNames.at(-1) ? undefined : `the last host can be a witness, not ${value}`;
    case "voters":
      draft.voters = Number(value);
      return ["1", "3", "5"].includes(value) && draft.voters <= draft.hosts ? undefined : `${value} voters cannot be`;
    case "profile":
      return takeProfile(draft, value);
    case "accel":
      draft.accel = value === "kvm" ? "kvm" : "tcg";
      return value === "kvm" ? undefined : "only accel=kvm is known here";
    case "cpu":
      return takeCpu(draft, value);
    case "manager":
    case "store-leader":
      draft[key === "manager" ? "manager" : "storeLeader"] = value;
      return draft.hostNames.includes(value) ? undefined : `there is no host ${value}`;
    case "memory":
      draft.memoryMiB = Number(value);
      return draft.memoryMiB > 0 ? undefined : `${value} is no memory in MiB`;
    case "devices":
      draft.devices = value !== "no";
      return value === "no" ? undefined : "only devices=no is known here";
    case "scheduler":
      return takeScheduler(draft, value);
    case "rebalance":
      if (value === "on-start") draft.rebalanceOnStart = true;
      else draft.autoRebalance = value === "auto";
      return ["on-start", "auto"].includes(value)
        ? undefined
        : "only rebalance=on-start and rebalance=auto are known here";
    case "outside":
      return takeOutside(draft, value);
    default:
      return `a cluster has no ${key === "" ? value : key}`;
  }
}

function takeScheduler(draft: Draft, value: string): string | undefined {
  const modes = ["basic", "static", "dynamic"] as const;
  const mode = modes.find((one) => one === value);
  draft.scheduler = mode ?? draft.scheduler;
  return mode === undefined ? `${value} is none of ${modes.join(", ")}` : undefined;
}

function takeOutside(draft: Draft, value: string): string | undefined {
  const names = value.split(",");
  draft.outside = outsideLimits.filter((limit) => names.includes(limit));
  return draft.outside.length === names.length ? undefined : `${value} is none of ${outsideLimits.join(", ")}`;
}

function takePool(draft: Draft, value: string): string | undefined {
  const [name = "", kind = ""] = value.split(":");
  const read = poolKindSchema.options.find((option) => option === kind);
  if (read === undefined) return `a pool is NAME:${poolKindSchema.options.join("|")}, not ${value}`;
  draft.pools = [...draft.pools, { name, kind: read }];
  return undefined;
}

/** `group=office:h1:h2:web,db`: copies these VMs from h1 to h2; `…:5s:60s`: in cycles, and what a failover may lose. */
function takeGroup(draft: Draft, value: string): string | undefined {
  const [name = "", from = "", to = "", vms = "", ...times] = value.split(":");
  const [everyS, lossS] = times.map((time) => (/^\d+s$/u.test(time) ? Number(time.slice(0, -1)) : Number.NaN));
  if (Number.isNaN(everyS) || Number.isNaN(lossS)) return `${value} has a time that is none, such as 5s`;
  const inCycles = everyS === undefined ? {} : { everyS, ...(lossS === undefined ? {} : { lossS }) };
  const unknown = [from, to].find((host) => !draft.hostNames.includes(host));
  if (unknown !== undefined) return `there is no host ${unknown}`;
  draft.groups = [...draft.groups, { name, from, to, vms: vms.split(","), ...inCycles }];
  return undefined;
}

function isProfile(name: string): name is ProfileName {
  return Object.hasOwn(planProfiles, name);
}

/** `profile=fast` for all, `profile=h1:slow` for one host's guards and heart; `profile=two`: two hosts vote, and no deadline holds. */
function takeProfile(draft: Draft, value: string): string | undefined {
  const [name = "", host] = value.split(":").reverse();
  if (!isProfile(name)) return `there is no profile ${name}`;
  if (host === undefined) draft.profile = name;
  else draft.hostProfiles = { ...draft.hostProfiles, [host]: name };
  if (name === "two") draft.voters = 2;
  return host === undefined || draft.hostNames.includes(host) ? undefined : `there is no host ${host}`;
}

/** `cpu=h2:old`: what its QEMU says of its processor. */
function takeCpu(draft: Draft, value: string): string | undefined {
  const [host = "", cpu = ""] = value.split(":");
  if (!draft.hostNames.includes(host)) return `there is no host ${host}`;
  if (!isSimCpu(cpu)) return `${cpu} is none of ${Object.keys(simCpus).join(", ")}`;
  draft.hostCpus = { ...draft.hostCpus, [host]: cpu };
  return undefined;
}

/** `vm=web@h1`, `vm=db,pool=replicated,memory=512,restarts=0,relocations=1,priority=5,delay=2000,failback=no,cpu=Haswell,disks=2,stopped`. */
function takeVm(draft: Draft, value: string): string | undefined {
  const [called = "", ...options] = value.split(",");
  const [name = "", host] = called.split("@");
  if (host !== undefined && !draft.hostNames.includes(host)) return `there is no host ${host}`;
  const vm: { -readonly [K in keyof StoryVm]: StoryVm[K] } = {
    name,
    host,
    pool: "",
    memoryMiB: 64,
    requested: "started",
    maxRestart: 2,
    maxRelocate: 1,
    failback: true,
    startPriority: 0,
    startDelayMs: 0,
  };
  for (const option of options) {
    const [key = "", text = ""] = option.split("=");
    const requested = requestedStateSchema.options.find((state) => state === key);
    const number = Number(text);
    if (requested !== undefined) vm.requested = requested;
    else if (key === "pool") vm.pool = text;
    else if (key === "cpu") vm.cpuModel = text;
    else if (option === "failback=no") vm.failback = false;
    else if (text === "" || !Number.isInteger(number)) return `a VM has no ${option}`;
    else if (key === "memory") vm.memoryMiB = number;
    else if (key === "restarts") vm.maxRestart = number;
    else if (key === "relocations") vm.maxRelocate = number;
    else if (key === "priority") vm.startPriority = number;
    else if (key === "delay") vm.startDelayMs = number;
    else if (key === "disks") vm.disks = number;
    else return `a VM has no ${key}`;
  }
  draft.vms = [...draft.vms, vm];
  return undefined;
}

function finish(draft: Draft): StoryCluster | string {
  const { hostNames: _names, ...cluster } = draft;
  const pools = cluster.pools.length > 0 ? cluster.pools : [{ name: "shared", kind: "shared-dir" as const }];
  const vms = cluster.vms.map((vm) => ({ ...vm, pool: vm.pool === "" ? (pools[0]?.name ?? "") : vm.pool }));
  const lost = vms.find((vm) => !pools.some((pool) => pool.name === vm.pool));
  if (lost !== undefined) return `${lost.name} lies in ${lost.pool}, which is no pool of this cluster`;
  const absent = cluster.groups.flatMap((group) => group.vms).find((vm) => !vms.some(({ name }) => name === vm));
  if (absent !== undefined) return `there is no VM ${absent}`;
  return { ...cluster, pools, vms };
}
