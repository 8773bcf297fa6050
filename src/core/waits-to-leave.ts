import { inKeyOrder } from "../base/order.ts";
import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { HeldOwner, Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { whyVmsLeave } from "./host-standing.ts";
import { waitOf } from "./move-attempts.ts";
import { isCalledOff } from "./move-failures.ts";
import { vmIndex } from "./vm-index.ts";

// Hosts that are to be empty (HM3, HM4), what they hold, and what of it is not on its way.

/** With why. */
export function hostsToLeave(view: ClusterView): Map<HostId, Reason> {
  const left = new Map<HostId, Reason>();
  for (const host of [...view.maintenances.keys(), ...view.modes.keys()]) {
    const why = whyVmsLeave(view, host);
    if (why !== undefined) left.set(host, why);
  }
  return left;
}

/** In order of their ids. */
export function heldOn(view: ClusterView, hosts: ReadonlyMap<HostId, Reason>): { vm: Vm; owner: HeldOwner }[] {
  const found = new Map<VmId, { vm: Vm; owner: HeldOwner }>();
  for (const host of hosts.keys()) {
    for (const id of vmIndex(view).heldBy.get(host) ?? []) {
      const vm = view.vms.get(id)?.value;
      const owner = view.owners.get(id)?.value;
      if (vm !== undefined && owner?.kind === "held") found.set(id, { vm, owner });
    }
  }
  return inKeyOrder(found).map(([, both]) => both);
}

/** Wanted elsewhere since `at`, and not on its way. `why`: that it is to leave; `waits`: that it does not. */
export type Waiting = {
  readonly vm: Vm;
  readonly at: WallMs;
  readonly why: Reason;
  readonly waits: Pick<Reason, "code" | "params">;
};

/**
 * What the records tell of VMs that are to leave and of which no move is under way, or ordered; for people. `now`: by the clock of
 * whoever tells it.
 */
export function waitsToLeave(view: ClusterView, now: WallMs): Waiting[] {
  const left = hostsToLeave(view);
  return heldOn(view, left).flatMap(({ vm, owner: { host } }) => {
    const why = left.get(host);
    const isOnItsWay = view.moves.has(vm.id) || view.orders.has(vm.id);
    const at = (view.maintenances.get(host) ?? view.modes.get(host))?.value.at;
    if (why === undefined || at === undefined || isOnItsWay || vm.requested !== "started") return [];
    return [{ vm, at, why, waits: whyNotYet(view, vm, host, now) }];
  });
}

function whyNotYet(view: ClusterView, vm: Vm, host: HostId, now: WallMs): Waiting["waits"] {
  const params = { vm: vm.name, host };
  if (view.disarm !== undefined) return { code: "disarmed", params: { mode: view.disarm.value.mode } };
  if (vm.lock !== null) return { code: "vm-is-locked", params: { ...params, lock: vm.lock.kind } };
  const wait = waitOf(view, vm);
  if (wait.kind === "now") return { code: "leave-not-begun", params };
  const { to, count, at, code } = wait.failed;
  if (wait.kind === "given-up") return { code: "leave-given-up", params: { ...params, to, count } };
  const againWall = at === undefined ? "in a while" : at + wait.afterMs;
  // What failed then is over: if it is held up still, then by something else.
  if (typeof againWall === "number" && againWall <= now) return { code: "leave-not-begun", params };
  return {
    code: isCalledOff(code) ? "leave-again-after-call-off" : "leave-again-later",
    params: { ...params, to, againWall },
  };
}
