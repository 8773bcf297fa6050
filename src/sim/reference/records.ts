import { compareText } from "../../base/order.ts";
import { createClusterTransaction } from "../../core/cluster-creation.ts";
import { type GroupMeaning, rulesFromGroups } from "../../core/rules/groups.ts";
import { put } from "../../core/transactions.ts";
import type { Actor } from "../../model/branded.ts";
import type { ClusterId, Epoch, HostId, Incarnation, PoolId, RuleId, VmId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmPlan } from "../../model/move-records.ts";
import { type Policy, policySchema, shutdownPolicySchema } from "../../model/policy.ts";
import { type Owner, type RequestedState, type Vm, vmDefaults } from "../../model/records.ts";
import type { Rule } from "../../model/rules.ts";
import type { Write } from "../../model/transaction.ts";
import { moveAddress } from "../world/driver-moves.ts";
import type { HaResource, HaRule, HaScenario } from "./format.ts";

// What a scenario file says, as the records of a store in which nobody has decided anything yet.

export const scenarioPool = "shared" as PoolId;
/** Who gives the commands of a file. */
export const scenarioActor: Actor = { name: "scenario", role: "admin", requestId: "" };
const createdAt = 1_800_000_000_000 as WallMs;
const mib = 1_048_576;
/** What the source takes for a guest without figures. */
const usualGuest = { maxCpu: 4, maxMemBytes: 4 * 1024 * mib };

function membersOf({ nodes }: HaScenario) {
  const sorted = nodes.map(({ name }) => name).sort(compareText);
  return nodes.map(({ name }) => {
    const address = moveAddress({ number: sorted.indexOf(name) });
    const links = [{ kind: "migration" as const, address, subnet: "10.0.1.0/24" }];
    return { id: name as HostId, name, role: "host" as const, links };
  });
}

/** Everything that stands in the store before the first host is switched on. */
export function initialWrites(scenario: HaScenario): Write[] {
  const cluster = createClusterTransaction(
    {
      id: "sim" as ClusterId,
      name: scenario.name,
      members: membersOf(scenario),
      pools: [{ name: scenarioPool, kind: "shared-dir", path: "/pools/shared", quotaMiB: null }],
      networks: [],
      devices: new Map(
        scenario.nodes.map(({ name }) => [name as HostId, { agent: "sim", options: { device: name } }] as const),
      ),
      hostReserveMiB: 0,
    },
    createdAt,
  );
  const groups = groupsOf(scenario);
  return [
    ...cluster.writes.filter(({ key }) => key !== keys.policy),
    put(keys.policy, policyOf(scenario)),
    ...scenario.rules.map((rule) => put(keys.rule(rule.id as RuleId), ruleOf(rule))),
    ...groups.rules.map((rule) => put(keys.rule(rule.id), rule)),
    ...scenario.resources.flatMap((resource) =>
      writesOfResource(resource, groups.failback.get(resource.sid as VmId) === false),
    ),
    ...preloaded(scenario),
  ];
}

function policyOf({ options, timing }: HaScenario): Policy {
  const { mode, rebalanceOnStart, autoRebalance } = options.scheduler;
  const shutdownPolicy = shutdownPolicySchema.safeParse(options.shutdownPolicy);
  return policySchema.parse({
    schema: 1,
    hostReserveMiB: 0,
    shutdownPolicy: shutdownPolicy.success ? shutdownPolicy.data : "conditional",
    scheduler: {
      mode,
      rebalanceOnStart,
      autoRebalance:
        autoRebalance === undefined
          ? undefined
          : {
              enabled: autoRebalance.enabled && mode !== "basic",
              method: autoRebalance.method,
              threshold: autoRebalance.threshold,
              // The source counts its rounds: from the first of them to the last it has lasted for one less.
              holdMs: Math.max(0, autoRebalance.holdRounds - 1) * timing.roundSeconds * 1000,
              margin: autoRebalance.margin,
            },
    },
    // The source knows neither of them.
    quarantine: { losses: 0 },
    returnAfterMaintenance: "as-failback",
  });
}

function ruleOf(rule: HaRule): Rule {
  const common = {
    schema: 1 as const,
    id: rule.id as RuleId,
    vms: rule.resources as VmId[],
    enabled: !rule.disabled,
    comment: "",
    createdAt,
  };
  if (rule.type === "resource-affinity")
    return { ...common, kind: "vm-affinity", affinity: rule.affinity === "positive" ? "together" : "apart" };
  return { ...common, kind: "host-affinity", hosts: hostsOf(rule.nodes), strict: rule.strict };
}

function hostsOf(nodes: readonly { readonly node: string; readonly priority: number }[]) {
  return nodes.map(({ node, priority }) => ({ host: node as HostId, priority }));
}

/** What the file's legacy groups mean for the VMs that name them. */
function groupsOf({ groups, resources }: HaScenario): GroupMeaning {
  const read = groups.map(({ id, restricted, nofailback, nodes }) => {
    const vms = resources.filter(({ group }) => group === id).map(({ sid }) => sid as VmId);
    return { name: id, hosts: hostsOf(nodes), restricted, nofailback, vms };
  });
  return rulesFromGroups(read, createdAt);
}

export function requestedOf(state: HaResource["state"]): RequestedState {
  return state === "enabled" ? "started" : state;
}

/** A VM that nobody has started yet, and where it lies. */
export function writesOfResource(resource: HaResource, nofailback = false): Write[] {
  const vm = vmOf(resource, nofailback);
  return [
    put(keys.vm(vm.id), vm),
    { kind: "put", key: keys.vmName(vm.name), text: JSON.stringify({ schema: 1, vm: vm.id }) },
    put(keys.owner(vm.id), releasedAt(resource.node as HostId, 0 as Epoch)),
  ];
}

export function releasedAt(host: HostId, epoch: Epoch): Owner {
  return { schema: 1, kind: "released", host, epoch, failed: null, failedHosts: [] };
}

function vmOf(resource: HaResource, nofailback: boolean): Vm {
  const id = resource.sid as VmId;
  return {
    schema: 1,
    id,
    name: resource.sid,
    spec: {
      ...sizeOf(resource.static ?? usualGuest),
      cpuModel: "max",
      disks: [{ volume: `disk-of-${resource.sid}` as VolumeId, pool: scenarioPool, sizeMiB: 64, format: "raw" }],
      nics: [],
      kernel: null,
      guestAgent: false,
    },
    requested: requestedOf(resource.state),
    maxRestart: resource.maxRestart,
    maxRelocate: resource.maxRelocate,
    stopGraceMs: 60_000,
    ...vmDefaults,
    failback: resource.failback && !nofailback,
    lock: resource.lock === null ? null : { kind: resource.lock, at: createdAt },
    createdAt,
  };
}

export function sizeOf(figures: { readonly maxCpu: number | null; readonly maxMemBytes: number | null }) {
  return {
    cpus: Math.max(1, Math.round(figures.maxCpu ?? usualGuest.maxCpu)),
    memoryMiB: Math.max(16, Math.round((figures.maxMemBytes ?? usualGuest.maxMemBytes) / mib)),
  };
}

/** What an earlier manager had begun: moves of VMs that do not run, and errors that have to be cleared. */
function preloaded(scenario: HaScenario): Write[] {
  const services = scenario.initialManagerState?.services ?? {};
  return Object.entries(services).flatMap(([sid, { state, node, target }]): Write[] => {
    const vm = sid as VmId;
    if (!scenario.resources.some((resource) => resource.sid === sid)) return [];
    if ((state === "migrate" || state === "relocate") && typeof target === "string")
      return [put(keys.vmMove(vm), begunMove(vm, state, node as HostId, target as HostId))];
    if (state !== "error") return [];
    const plan: VmPlan = {
      schema: 1,
      error: { code: "vm-gave-up", params: { vm: sid, hosts: "", exit: "unknown" }, at: createdAt },
      returnTo: null,
      failedMoves: null,
    };
    return [put(keys.vmPlan(vm), plan)];
  });
}

function begunMove(vm: VmId, kind: VmMove["kind"], from: HostId, to: HostId): VmMove {
  return {
    schema: 1,
    vm,
    kind,
    from,
    incarnation: 0 as Incarnation,
    epoch: null,
    to,
    reason: { rule: "HM1", code: "ordered", params: { by: scenarioActor.name } },
    answer: { kind: "open" },
    at: createdAt,
  };
}

/** A resource that a command adds: with what the source takes where nothing is said. */
export function newResource(sid: string, node: string, state: HaResource["state"]): HaResource {
  return {
    sid,
    type: sid.slice(0, sid.indexOf(":")),
    node,
    state,
    failback: true,
    maxRestart: 1,
    maxRelocate: 1,
    group: null,
    lock: null,
    runningAtStart: false,
    static: null,
    usage: null,
    behaviour: null,
  };
}
