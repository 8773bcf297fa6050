import { inKeyOrder, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, PoolId, VmId, WallMs } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HostFacts, Member, Vm } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../../model/view.ts";
import { limits } from "../limits.ts";
import { ruleBook } from "../rules/rule-book.ts";
import { isQuarantined } from "./change-host.ts";
import { networkName, poolName } from "./find.ts";
import type { Sight } from "./sight.ts";

/**
 * Why `vm` cannot be moved to `target` now; undefined: nothing speaks against it. The manager looks again when it carries
 * the order out; what is known to be in vain is refused here, while somebody is there to read why.
 */
export function refuseTarget(view: ClusterView, vm: Vm, target: Member, sight: Sight, at: WallMs): Refusal | undefined {
  return (
    refuseStanding(view, vm, target, sight) ??
    refuseHeldBack(view, vm, target, at) ??
    refuseRules(view, vm, target) ??
    refuseEquipment(view, vm, target)
  );
}

/**
 * Why `vm` would leave `target` again as soon as it runs there: a host that its rules prefer can take it, and it goes back
 * to such a host by itself (PL2). Obeyed to the letter, the order would cost two moves and change nothing.
 */
export function refuseReturn(view: ClusterView, vm: Vm, target: Member, sight: Sight, at: WallMs): Refusal | undefined {
  if (vm.requested !== "started" || !vm.failback) return undefined;
  const book = ruleBook(view);
  const own = book.classOf(vm.id, target.id) ?? -1;
  if (own >= book.topClassOf(vm.id)) return undefined;
  const better = valuesInKeyOrder(view.members)
    .map(({ value }) => value)
    .filter(({ id }) => (book.classOf(vm.id, id) ?? -1) > own)
    .filter((other) => refuseTarget(view, vm, other, sight, at) === undefined);
  if (better.length === 0) return undefined;
  const best = better.map(({ name }) => name).join(" and ");
  const rules = book.rulesOf(vm.id).join(", ");
  return refuse("move-host-not-preferred", { vm: vm.name, host: target.name, best, rules });
}

/** It is no host, or not one that could start anything now. */
function refuseStanding(view: ClusterView, vm: Vm, target: Member, sight: Sight): Refusal | undefined {
  const params = { vm: vm.name, host: target.name };
  if (target.role === "witness") return refuse("move-to-witness", params);
  const registration = view.hosts.get(target.id)?.value;
  if (registration === undefined) return refuse("move-host-absent", params);
  if (fenceOf(view, target.id, registration.incarnation) !== undefined) return refuse("move-host-fenced", params);
  const beat = heartbeatOf(view, target.id, registration.incarnation)?.value;
  const contact = sight(target.id);
  if (contact === "silent" || contact === "absent") return refuse("move-host-silent", params);
  if (beat !== undefined && (beat.agentAgeMs === null || beat.agentAgeMs > limits.agentSilentMs)) {
    return refuse("move-host-agent-silent", params);
  }
  return undefined;
}

function refuseHeldBack(view: ClusterView, vm: Vm, target: Member, at: WallMs): Refusal | undefined {
  const params = { vm: vm.name, host: target.name };
  if (view.maintenances.has(target.id)) return refuse("move-host-in-maintenance", params);
  const mode = view.modes.get(target.id)?.value;
  const current = mode?.incarnation === view.hosts.get(target.id)?.value.incarnation;
  if (mode !== undefined && current && mode.mode !== "active") {
    return refuse("move-host-leaving", { ...params, next: mode.next });
  }
  if (isQuarantined(view.losses.get(target.id)?.value, at)) return refuse("move-host-in-quarantine", params);
  return undefined;
}

/** A host of a lower class is a person's choice; one that a strict rule excludes would only be left again. */
function refuseRules(view: ClusterView, vm: Vm, target: Member): Refusal | undefined {
  const book = ruleBook(view);
  const params = { vm: vm.name, host: target.name };
  if (book.classOf(vm.id, target.id) === undefined) {
    return refuse("move-host-forbidden", { ...params, rules: book.rulesOf(vm.id).join(", ") });
  }
  const apart = book.apart(vm.id);
  for (const [id, other] of inKeyOrder(view.vms)) {
    if (apart.has(id) && isOnOrGoesTo(view, id, target.id)) {
      return refuse("move-apart-vm-there", { ...params, other: other.value.name });
    }
  }
  return undefined;
}

function refuseEquipment(view: ClusterView, vm: Vm, target: Member): Refusal | undefined {
  const params = { vm: vm.name, host: target.name };
  const facts = view.facts.get(target.id)?.value;
  if (facts === undefined) return refuse("move-host-unknown-equipment", params);
  for (const id of new Set<PoolId>(vm.spec.disks.map((disk) => disk.pool))) {
    const found = facts.pools.find((other) => other.pool === id);
    const pool = poolName(view, id);
    if (found === undefined) return refuse("move-pool-missing", { ...params, pool });
    if (found.unfit !== null) return refuse("move-pool-unfit", { ...params, pool, cause: found.unfit });
  }
  for (const nic of vm.spec.nics) {
    const found = facts.networks.find((other) => other.network === nic.network);
    const network = networkName(view, nic.network);
    if (found === undefined) return refuse("move-network-missing", { ...params, network });
    if (found.unfit !== null) return refuse("move-network-unfit", { ...params, network, cause: found.unfit });
  }
  return refuseFull(view, vm, target, facts);
}

/** VMs that are kept together with it come along, and need their memory there, too. */
function refuseFull(view: ClusterView, vm: Vm, target: Member, facts: HostFacts): Refusal | undefined {
  const comes = new Set<VmId>([vm.id, ...ruleBook(view).together(vm.id)]);
  let freeMiB = facts.memoryForVmsMiB;
  let neededMiB = 0;
  for (const [id, { value }] of view.vms) {
    if (isOnOrGoesTo(view, id, target.id)) freeMiB -= value.spec.memoryMiB;
    else if (id === vm.id || (comes.has(id) && view.owners.get(id)?.value.kind === "held")) {
      neededMiB += value.spec.memoryMiB;
    }
  }
  if (neededMiB <= freeMiB) return undefined;
  return refuse("move-host-full", { vm: vm.name, host: target.name, neededMiB, freeMiB: Math.max(0, freeMiB) });
}

/** It runs there, or may at any moment. */
function isOnOrGoesTo(view: ClusterView, vm: VmId, host: HostId): boolean {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind === "held" && owner.host === host) return true;
  const move = view.moves.get(vm)?.value;
  return move !== undefined && move.answer.kind === "open" && move.to === host;
}
