import type { HostId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { HostFacts, Vm } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { Certainty } from "./certainty.ts";
import type { Closure } from "./closure.ts";
import { type AtRest, eachVmAtRest } from "./each-vm-at-rest.ts";
import type { CheckerKind } from "./kind.ts";

/** Whatever its host has. */
const anyCpu = "max";

/** PL1: in a healed world "it fits nowhere" is true: no host that takes VMs surely has room for one that is down for that. */
export const nowhereIsTrue: CheckerKind = {
  rule: "PL1",
  make: (world, fail) => eachVmAtRest(world, fail, whyNotDown),
};

function whyNotDown({ world, rules, certainty }: AtRest, id: VmId): string | undefined {
  const vm = world.truth.vms.get(id);
  if (vm === undefined || !isDownForRoom(world, certainty, vm)) return undefined;
  const host = world.workers().find((one) => takes(world, rules, certainty, vm, one.id));
  if (host === undefined) return undefined;
  return `${id} is down, as if it fitted nowhere, and ${host.id} has room for its ${vm.spec.memoryMiB} MiB`;
}

/**
 * Wanted, and nobody has it or works on it; and nothing but memory, rules and pools of all hosts can be in its way: not where its
 * disks or copies of them lie, what a processor has, or where it failed.
 */
function isDownForRoom(world: World, certainty: Certainty, { id, requested, lock, spec }: Vm): boolean {
  const { truth } = world;
  const owner = truth.owners.get(id);
  if (requested !== "started" || lock !== null || truth.lastWord.get(id)?.type !== "vm-nowhere") return false;
  if (owner?.kind === "held" || (owner?.failedHosts.length ?? 0) > 0 || owner?.back !== undefined) return false;
  if (world.copiesOf(id).length > 0 || !certainty.isSettled(id) || spec.cpuModel !== anyCpu) return false;
  if ([keys.vmMove(id), keys.vmPlan(id), keys.vmOrder(id)].some((key) => truth.values.has(key))) return false;
  const isLocal = spec.disks.some(({ pool }) => truth.pools.get(pool)?.kind === "local-dir");
  return !isLocal && !truth.isReplicated(id);
}

function takes(world: World, rules: Closure, certainty: Certainty, { id, spec }: Vm, host: HostId): boolean {
  const { values, owners } = world.truth;
  if (!certainty.takesVms(host) || values.has(keys.removedHost(host)) || !certainty.hasRoom(host, id)) return false;
  const { pools = [], networks = [] } = (values.get(keys.hostFacts(host)) as HostFacts | undefined) ?? {};
  const isFit = (pool: string): boolean => pools.some((one) => one.pool === pool && one.unfit === null);
  const isWired = (network: string): boolean => networks.some((one) => one.network === network && one.unfit === null);
  if (!spec.disks.every(({ pool }) => isFit(pool)) || !spec.nics.every(({ network }) => isWired(network))) return false;
  // One that merely lies there may keep it away too.
  const keepsAway = (other: VmId): boolean => certainty.mayBeOn(other, host) || owners.get(other)?.host === host;
  return rules.classOf(id, host) !== undefined && ![...rules.apart(id)].some(keepsAway);
}
