import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { RequestedState, Vm } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { findVm, hostName } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";
import { told } from "./power.ts";
import { rulesWithoutVm } from "./rules-without-vm.ts";

export type SetVmRequest = {
  readonly vm: string;
  readonly requested?: RequestedState | undefined;
  readonly maxRestart?: number | undefined;
  readonly maxRelocate?: number | undefined;
  readonly stopGraceMs?: number | undefined;
};

/** Changes what is wanted of a VM; what it is made of stays. */
export function planSetVm(view: ClusterView, request: SetVmRequest, asked: Asked): Planned {
  const found = findVm(view, request.vm);
  if (found.kind === "refused") return found;
  const old = found.stored.value;
  const vm: Vm = {
    ...old,
    requested: request.requested ?? old.requested,
    maxRestart: request.maxRestart ?? old.maxRestart,
    maxRelocate: request.maxRelocate ?? old.maxRelocate,
    stopGraceMs: request.stopGraceMs ?? old.stopGraceMs,
  };
  const changed = (["requested", "maxRestart", "maxRelocate", "stopGraceMs"] as const).filter(
    (field) => vm[field] !== old[field],
  );
  if (changed.length === 0) return refuse("vm-nothing-to-change", { vm: old.name });
  const to = changed.map((field) => `${field} ${vm[field]}`).join(", ");
  return {
    kind: "plan",
    transaction: transaction([unchanged(keys.vm(vm.id), found.stored)], [put(keys.vm(vm.id), vm)]),
    outcome: { kind: "vm-changed", vm: vm.id, name: vm.name },
    events: [{ ...told("vm-changed", vm, asked), params: { vm: vm.name, to } }],
  };
}

/**
 * Removes a VM that nobody runs and nobody may start. The owner record's revision is compared: a placement that was
 * committed a moment before makes this fail, and one that comes after finds no VM. It leaves its rules with it.
 */
export function planDeleteVm(view: ClusterView, wanted: string, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  if (view.unreadable.has(keys.owner(vm.id))) return refuse("vm-owner-unreadable", { vm: vm.name });
  const owner = view.owners.get(vm.id);
  if (owner?.value.kind === "held") {
    return refuse("vm-not-stopped", { vm: vm.name, host: hostName(view, owner.value.host) });
  }
  if (vm.requested === "started") return refuse("vm-wanted-started", { vm: vm.name });
  const status = view.statuses.get(vm.id);
  const rules = rulesWithoutVm(view, vm, asked);
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.vm(vm.id), found.stored),
        unchanged(keys.owner(vm.id), owner),
        unchanged(keys.vmStatus(vm.id), status),
        ...rules.compares,
      ],
      [
        remove(keys.vm(vm.id)),
        remove(keys.vmName(vm.name)),
        ...(owner === undefined ? [] : [remove(keys.owner(vm.id))]),
        ...(status === undefined ? [] : [remove(keys.vmStatus(vm.id))]),
        ...rules.writes,
      ],
    ),
    outcome: {
      kind: "vm-deleted",
      vm: vm.id,
      name: vm.name,
      disks: vm.spec.disks.map(({ volume, pool }) => ({ volume, pool })),
    },
    events: [told("vm-deleted", vm, asked), ...rules.events],
  };
}
