import type { HostId, VmId } from "../model/ids.ts";
import type { HeldOwner, Owner, Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { isDisarmed } from "./disarmed.ts";
import { poolsOf, proveGone } from "./fencing.ts";
import { givesItsVmsUp, isAwaited } from "./host-standing.ts";
import { stageOf } from "./moves.ts";
import { vmError } from "./vm-error.ts";

/** States as administrators of this field know them (design 0004). `ignored`: nobody manages the VM. */
export type ServiceStateName =
  | "request_start"
  | "request_start_balance"
  | "started"
  | "request_stop"
  | "stopped"
  | "migrate"
  | "relocate"
  | "fence"
  | "recovery"
  | "freeze"
  | "error"
  | "ignored";

export type ServiceState = {
  readonly state: ServiceStateName;
  /** Where it is, or ran last; null: it never had a host. */
  readonly host: HostId | null;
  /** Where it is being moved; null: nowhere. */
  readonly target: HostId | null;
};

const none: ReadonlySet<string> = new Set();

/**
 * Follows from the records; nothing is stored, so that nothing can contradict the owner record. `lost`: hosts that are
 * silent for so long that their VMs stand still (S2), whether or not anybody has a use for a fence (S8). For people and
 * for the checks of requests: never a ground for a start. A VM that does not exist is `stopped` nowhere.
 */
export function serviceState(view: ClusterView, id: VmId, lost: ReadonlySet<string> = none): ServiceState {
  const vm = view.vms.get(id)?.value;
  const owner = view.owners.get(id)?.value;
  const host = owner?.host ?? null;
  if (vm === undefined) return { state: "stopped", host, target: null };
  if (owner?.kind === "held" && waitsForAHost(view, vm, owner, lost)) {
    return { state: vm.requested === "disabled" ? "stopped" : "recovery", host, target: null };
  }
  const moving = moveOf(view, id);
  if (moving !== undefined && vm.requested !== "ignored" && vmError(view, id) === undefined) return { host, ...moving };
  return { state: stateOf(view, vm, owner), host, target: null };
}

/** Its host was given up although no fence was of use: it would run elsewhere if it could. */
function waitsForAHost(view: ClusterView, vm: Vm, owner: HeldOwner, lost: ReadonlySet<string>): boolean {
  if (vm.requested === "ignored" || isDisarmed(view) || isAwaited(view, owner.host)) return false;
  return lost.has(owner.host) && fenceOf(view, owner.host, owner.incarnation) === undefined;
}

function moveOf(view: ClusterView, id: VmId): Pick<ServiceState, "state" | "target"> | undefined {
  const move = view.moves.get(id)?.value;
  if (move === undefined) return undefined;
  const stage = stageOf(view, move);
  // Handed over, it is the target's, whatever its source has still to clear away (S15).
  if (stage === "over" || stage === "switched") return undefined;
  const owner = view.owners.get(id)?.value;
  // Its holder was lost in the midst of it: that comes first.
  if (owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) !== undefined) return undefined;
  const balances = move.epoch === null && move.reason.code === "best-at-start";
  return { state: balances ? "request_start_balance" : move.kind, target: move.to };
}

function stateOf(view: ClusterView, vm: Vm, owner: Owner | undefined): ServiceStateName {
  if (vm.requested === "ignored") return "ignored";
  if (vmError(view, vm.id) !== undefined) return "error";
  const isLost = owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) !== undefined;
  if (isLost) return stateOfLost(view, vm, owner);
  const isFrozen = view.disarm?.value.mode === "freeze" || (owner !== undefined && isAwaited(view, owner.host));
  if (isFrozen) return "freeze";
  const wanted = vm.requested === "started";
  if (owner?.kind === "held") {
    // Q14: what is not wanted counts as stopped only once nobody holds it.
    if (!wanted) return "request_stop";
    return givesItsVmsUp(view, owner.host) ? "fence" : "started";
  }
  if (!wanted) return "stopped";
  if (owner === undefined) return "request_start";
  return givesItsVmsUp(view, owner.host) ? "recovery" : "started";
}

function stateOfLost(view: ClusterView, vm: Vm, owner: HeldOwner): "fence" | "recovery" {
  const pools = poolsOf(vm, view);
  const proof = pools === undefined ? undefined : proveGone(view, owner.host, owner.incarnation, pools);
  return proof === undefined ? "fence" : "recovery";
}
