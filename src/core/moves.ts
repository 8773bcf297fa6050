import { type HostId, nextEpoch, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Reason } from "../model/reason.ts";
import type { Owner, Vm } from "../model/records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { poolsOf } from "./fencing.ts";
import { givesItsVmsUp, whyVmsLeave } from "./host-standing.ts";
import { isCopied } from "./replication-duty.ts";
import { switchesOver } from "./switchover.ts";
import { put, unchanged } from "./transactions.ts";

/**
 * Where a move stands. `waits`: for its holder to let the VM go. `free`: nobody may run the VM, it can be placed. `failed`:
 * the holder could not. `switched`: the target owns the VM, and the source has not quit (S15): whatever else is true, only the
 * source's word or its proof ends that. `over`: it speaks of a run or a place that the VM has left behind.
 */
export type MoveStage = "waits" | "free" | "failed" | "switched" | "over";

export function stageOf(view: ClusterView, move: VmMove): MoveStage {
  if (move.live?.kind === "switched") return "switched";
  if (isGivenBack(view, move)) return "failed";
  const vm = view.vms.get(move.vm)?.value;
  const owner = view.owners.get(move.vm)?.value;
  if (vm === undefined || vm.requested === "ignored" || owner === undefined || owner.host !== move.from) return "over";
  if (move.epoch === null) return owner.kind === "released" ? "free" : "over";
  if (owner.epoch !== move.epoch) return "over";
  if (owner.kind === "released") return "free";
  if (owner.incarnation !== move.incarnation) return "over";
  return move.answer.kind === "failed" ? "failed" : "waits";
}

/** The target has given the VM back to its source: a move that failed, in the epoch that this took. */
function isGivenBack(view: ClusterView, { vm, answer, epoch, from }: VmMove): boolean {
  const owner = view.owners.get(vm)?.value;
  if (answer.kind !== "failed" || epoch === null || owner?.kind !== "held") return false;
  return view.vms.has(vm) && owner.host === from && owner.epoch === nextEpoch(nextEpoch(epoch));
}

/** Where the VM goes, of a move that has come so far that it can be placed. */
export function aimOf(view: ClusterView, vm: VmId): VmMove | undefined {
  const move = view.moves.get(vm)?.value;
  return move !== undefined && stageOf(view, move) === "free" ? move : undefined;
}

/** Its holder is to let this very run go; not one whose guest is being copied to a target that waits for it (S15). */
export function isMovedAway(view: ClusterView, vm: VmId): boolean {
  const move = view.moves.get(vm)?.value;
  return move !== undefined && move.live === undefined && stageOf(view, move) === "waits";
}

/** It runs where it is owned, and somebody wants it elsewhere: by an order, or because its host is to be empty (HM1, HM3, HM4). */
export function isToLeave(view: ClusterView, vm: VmId): boolean {
  const order = view.orders.get(vm)?.value.order;
  if (order !== undefined && order.kind !== "stop") return true;
  const host = view.owners.get(vm)?.value.host;
  return host !== undefined && (whyVmsLeave(view, host) !== undefined || givesItsVmsUp(view, host));
}

/** The host of each VM that is on its way from one: by a move, or by one that is being written. */
export function* leavingFrom(view: ClusterView, promised: ReadonlyMap<VmId, HostId>): Generator<HostId> {
  const isOpen = (move: VmMove | undefined): move is VmMove =>
    move !== undefined && ["waits", "free"].includes(stageOf(view, move));
  for (const { value: move } of view.moves.values()) if (isOpen(move)) yield move.from;
  for (const [vm, to] of promised) {
    const owner = view.owners.get(vm)?.value;
    const isMoving =
      owner?.kind === "held" && owner.host !== to && fenceOf(view, owner.host, owner.incarnation) === undefined;
    if (isMoving && !isOpen(view.moves.get(vm)?.value)) yield owner.host;
  }
}

/** As administrators of this field know it: VMs are migrated, everything else is stopped, moved and started. */
export function kindOfMove(vm: VmId): VmMove["kind"] {
  return vm.startsWith("vm:") ? "migrate" : "relocate";
}

export type MoveStart = {
  readonly kind?: VmMove["kind"] | undefined;
  readonly to: HostId;
  readonly reason: Reason;
};
export type MoveChange = {
  readonly move: VmMove;
  readonly compares: readonly Compare[];
  readonly writes: readonly Write[];
};

/**
 * Whether the guest moves while it runs: it executes as far as its status says, and every disk lies where both hosts see
 * it, or is copied along, or is at `to` already as a copy that has every write. Anything else is stopped, moved and started,
 * where its disks can be found then.
 */
export function movesLive(view: ClusterView, vm: Vm, owner: Owner, kind: VmMove["kind"], to?: HostId): boolean {
  if (kind !== "migrate" || owner.kind !== "held") return false;
  const status = view.statuses.get(vm.id)?.value;
  if (status?.epoch !== owner.epoch || status.phase !== "running") return false;
  // To no host but that of its copies: anywhere else it would be without them (S17).
  if (isCopied(view, vm.id)) return to !== undefined && switchesOver(view, vm, to);
  return poolsOf(vm, view)?.every(({ kind }) => kind === "shared-dir" || kind === "local-dir") === true;
}

/**
 * Part of a transaction that begins a move of a VM which is where `owner` says. It starts nothing: the guest is handed over
 * by those who run it (S15), or the holder stops the VM and lets it go, then it is placed like any other (S14).
 */
export function beginMove(view: ClusterView, vm: Vm, owner: Owner, start: MoveStart, at: VmMove["at"]): MoveChange {
  const key = keys.vmMove(vm.id);
  const held = owner.kind === "held";
  const kind = start.kind ?? kindOfMove(vm.id);
  const onCopies = isCopied(view, vm.id) ? ({ onCopies: true } as const) : {};
  const move: VmMove = {
    schema: 1,
    vm: vm.id,
    kind,
    from: owner.host,
    incarnation: held ? owner.incarnation : (view.hosts.get(owner.host)?.value.incarnation ?? noIncarnation),
    epoch: held ? owner.epoch : null,
    to: start.to,
    reason: { ...start.reason, params: { ...start.reason.params } },
    answer: { kind: "open" },
    ...(movesLive(view, vm, owner, kind, start.to) ? { live: { kind: "asked", ...onCopies } } : {}),
    at,
  };
  return {
    move,
    compares: [
      unchanged(keys.vm(vm.id), view.vms.get(vm.id)),
      unchanged(keys.owner(vm.id), view.owners.get(vm.id)),
      unchanged(key, view.moves.get(vm.id)),
      // Its host has not announced anything meanwhile that its VMs wait for (HM4).
      unchanged(keys.hostMode(owner.host), view.modes.get(owner.host)),
    ],
    writes: [put(key, move)],
  };
}

const noIncarnation = 0 as VmMove["incarnation"];
