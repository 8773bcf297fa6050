import type { StoreKey } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { RequestedState, Vm } from "../../model/records.ts";
import type { Compare } from "../../model/transaction.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import { deleteCopies } from "../local-copies.ts";
import { isBetweenHosts } from "../migration.ts";
import { stageOf } from "../moves.ts";
import { groupOf } from "../replication-duty.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { vmError } from "../vm-error.ts";
import { localDisks } from "../volume-place.ts";
import { refuseProcessor, refuseTooBig } from "./create-vm.ts";
import { findVm, hostName } from "./find.ts";
import { forgive } from "./forgive.ts";
import type { Asked, Planned } from "./plan.ts";
import { told } from "./power.ts";
import { rulesWithoutVm } from "./rules-without-vm.ts";

export type SetVmRequest = {
  readonly vm: string;
  /** `enabled` is another word for `started`. */
  readonly requested?: RequestedState | "enabled" | undefined;
  readonly maxRestart?: number | undefined;
  readonly maxRelocate?: number | undefined;
  readonly stopGraceMs?: number | undefined;
  readonly failback?: boolean | undefined;
  readonly startPriority?: number | undefined;
  readonly startDelayMs?: number | undefined;
  /** Only while nobody holds it. */
  readonly cpus?: number | undefined;
  readonly memoryMiB?: number | undefined;
  readonly cpuModel?: string | undefined;
  /** Takes away the lock of work that is known to be dead. */
  readonly unlock?: boolean | undefined;
};

const settable = [
  "requested",
  "maxRestart",
  "maxRelocate",
  "stopGraceMs",
  "failback",
  "startPriority",
  "startDelayMs",
] as const;

/**
 * Changes what is wanted of a VM; of what it is made of, only the size and what processor it sees, and only while
 * nobody holds it. A VM in error takes nothing but `disabled`, which clears the
 * error in the same transaction: nobody overlooks one by asking for something else.
 */
export function planSetVm(view: ClusterView, request: SetVmRequest, asked: Asked): Planned {
  const found = findVm(view, request.vm);
  if (found.kind === "refused") return found;
  const old = found.stored.value;
  const requested = request.requested === "enabled" ? "started" : (request.requested ?? old.requested);
  if (requested !== "disabled" && vmError(view, old.id) !== undefined) return refuse("vm-in-error", { vm: old.name });
  const vm: Vm = {
    ...old,
    requested,
    maxRestart: request.maxRestart ?? old.maxRestart,
    maxRelocate: request.maxRelocate ?? old.maxRelocate,
    stopGraceMs: request.stopGraceMs ?? old.stopGraceMs,
    failback: request.failback ?? old.failback,
    startPriority: request.startPriority ?? old.startPriority,
    startDelayMs: request.startDelayMs ?? old.startDelayMs,
    lock: request.unlock === true ? null : old.lock,
    spec: {
      ...old.spec,
      cpus: request.cpus ?? old.spec.cpus,
      memoryMiB: request.memoryMiB ?? old.spec.memoryMiB,
      cpuModel: request.cpuModel ?? old.spec.cpuModel,
    },
  };
  const size = planSize(view, old, vm);
  if (size.kind === "refused") return size;
  if (request.unlock === true && old.lock === null) return refuse("vm-not-locked", { vm: old.name });
  const changed = [
    ...settable.filter((field) => vm[field] !== old[field]).map((field) => `${field} ${vm[field]}`),
    ...sizes.filter((field) => vm.spec[field] !== old.spec[field]).map((field) => `${field} ${vm.spec[field]}`),
  ];
  // Out of `disabled`, too: what was left of an error must not come back with the VM.
  const clears = request.requested !== undefined && (requested === "disabled" || old.requested === "disabled");
  const forgiven = clears ? forgive(view, old) : { compares: [], writes: [] };
  const unlocked = old.lock !== null && vm.lock === null;
  if (changed.length === 0 && forgiven.writes.length === 0 && !unlocked)
    return refuse("vm-nothing-to-change", { vm: old.name });
  const to = changed.join(", ");
  const moveVoided = requested === "ignored" ? moveOnItsWay(view, vm) : undefined;
  return {
    kind: "plan",
    transaction: transaction(
      [unchanged(keys.vm(vm.id), found.stored), ...size.compares, ...forgiven.compares],
      [put(keys.vm(vm.id), vm), ...forgiven.writes],
    ),
    outcome: { kind: "vm-changed", vm: vm.id, name: vm.name, ...(moveVoided === undefined ? {} : { moveVoided }) },
    events: [
      ...(changed.length === 0 ? [] : [{ ...told("vm-changed", vm, asked), params: { vm: vm.name, to } }]),
      ...(unlocked ? [{ ...told("vm-unlocked", vm, asked), params: { vm: vm.name, lock: old.lock?.kind ?? "" } }] : []),
      ...(forgiven.writes.length === 0 ? [] : [told("vm-failures-forgotten", vm, asked)]),
    ],
  };
}

/** Where it was to go by an order or a move that its new state voids: what has changed hands goes on there (S15). */
function moveOnItsWay(view: ClusterView, { id }: Vm): string | undefined {
  const order = view.orders.get(id)?.value.order;
  const move = view.moves.get(id)?.value;
  const isOpen = move?.answer.kind === "open" && ["waits", "free"].includes(stageOf(view, move));
  if (isOpen) return hostName(view, move.to);
  return order === undefined || order.kind === "stop" ? undefined : hostName(view, order.to);
}

const sizes = ["cpus", "memoryMiB", "cpuModel"] as const;

/** A copy that runs keeps the size and the processor that it was started with: by the record is reckoned where it can be. */
function planSize(
  view: ClusterView,
  vm: Vm,
  { spec }: Vm,
): Refusal | { readonly kind: "size"; readonly compares: readonly Compare[] } {
  if (sizes.every((field) => spec[field] === vm.spec[field])) return { kind: "size", compares: [] };
  const owner = view.owners.get(vm.id);
  if (owner?.value.kind === "held")
    return refuse("vm-size-while-held", { vm: vm.name, host: hostName(view, owner.value.host) });
  const { name } = vm;
  const isShown = spec.cpuModel === vm.spec.cpuModel;
  const unfit =
    refuseTooBig(view, { name, ...spec }) ?? (isShown ? undefined : refuseProcessor(view, { name, ...spec }));
  return unfit ?? { kind: "size", compares: [unchanged(keys.owner(vm.id), owner)] };
}

/**
 * Removes a VM that nobody runs and nobody may start, with all that is remembered of it, and takes it out of every rule.
 * The owner record's revision is compared: a placement that was committed a moment before makes this fail, and one that
 * comes after finds no VM.
 */
export function planDeleteVm(view: ClusterView, wanted: string, asked: Asked): Planned {
  const found = findVm(view, wanted);
  if (found.kind === "refused") return found;
  const vm = found.stored.value;
  if (view.unreadable.has(keys.owner(vm.id))) return refuse("vm-owner-unreadable", { vm: vm.name });
  if (vmError(view, vm.id) !== undefined) return refuse("vm-in-error", { vm: vm.name });
  const owner = view.owners.get(vm.id);
  if (owner?.value.kind === "held") {
    return refuse("vm-not-stopped", { vm: vm.name, host: hostName(view, owner.value.host) });
  }
  if (vm.requested === "started") return refuse("vm-wanted-started", { vm: vm.name });
  const group = groupOf(view, vm.id);
  if (group !== undefined) return refuse("vm-in-group", { vm: vm.name, group: group.name });
  const move = view.moves.get(vm.id)?.value;
  if (move !== undefined && isBetweenHosts(view, vm.id))
    return refuse("vm-not-stopped", { vm: vm.name, host: hostName(view, move.from) });
  const remembered: [StoreKey, Stored<unknown> | undefined][] = [
    [keys.owner(vm.id), owner],
    [keys.vmStatus(vm.id), view.statuses.get(vm.id)],
    [keys.vmOrder(vm.id), view.orders.get(vm.id)],
    [keys.vmMove(vm.id), view.moves.get(vm.id)],
    [keys.vmPlan(vm.id), view.plans.get(vm.id)],
    [keys.vmCopying(vm.id), view.copyings.get(vm.id)],
  ];
  const rules = rulesWithoutVm(view, vm, asked);
  // Images in local pools are removed by the agents of the hosts that have them.
  const copies = deleteCopies(view, vm.id, asked.at);
  const locals = localDisks(view, vm);
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.vm(vm.id), found.stored),
        unchanged(keys.lastGroupEdit, view.lastGroupEdit),
        ...remembered.map(([key, stored]) => unchanged(key, stored)),
        ...copies.compares,
        ...rules.compares,
      ],
      [
        remove(keys.vm(vm.id)),
        remove(keys.vmName(vm.name)),
        ...remembered.flatMap(([key, stored]) => (stored === undefined ? [] : [remove(key)])),
        ...copies.writes,
        ...rules.writes,
      ],
    ),
    outcome: {
      kind: "vm-deleted",
      vm: vm.id,
      name: vm.name,
      disks: vm.spec.disks.filter((disk) => !locals.includes(disk)).map(({ volume, pool }) => ({ volume, pool })),
    },
    events: [told("vm-deleted", vm, asked), ...rules.events],
  };
}
