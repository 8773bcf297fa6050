import type { HostId, VmId } from "../model/ids.ts";
import type { VmPlan } from "../model/move-records.ts";
import type { ClusterView, Stored } from "../model/view.ts";

// What the records tell of moves that failed (HM2).

/** Of moves that ended by what somebody wants of the VM or of its target: nothing of them has failed (HM2). */
const calledOff: ReadonlySet<string> = new Set([
  ...["move-cancelled", "move-not-wanted", "move-vm-locked", "move-target-leaves", "move-target-in-maintenance"],
  "move-maintenance-over",
]);

export function isCalledOff(code: string): boolean {
  return calledOff.has(code);
}

/** Causes that lie with the guest or with the host that it leaves: on the way to any other target it would be the same. */
const notTheTargets: ReadonlySet<string> = new Set([
  ...["move-guest-stands", "move-file-systems-stand", "move-of-stopping-vm", "move-under-way", "move-interrupted"],
  ...["move-disk-unreadable", "move-disks-unsettled", "move-copy-behind", "move-copy-not-reached"],
  ...["move-overtaken", "move-records-missing", "vm-did-not-stop", "vm-not-running"],
]);

/** Whether the move may well succeed to another target: what failed is the target, or the link to it, as far as anybody knows. */
function isOfTarget(code: string): boolean {
  return !isCalledOff(code) && !notTheTargets.has(code);
}

type Kind = Parameters<ClusterView["changedAt"]["get"]>[0];
const ofTargets: readonly Kind[] = ["rule", "member", "host", "policy"];
const ofMoves: readonly Kind[] = [...ofTargets, "host-mode", "maintenance"];

/** Something that a move depends on has changed since it failed last: what failed before that counts no more. */
export function isOutdated(view: ClusterView, plan: Stored<VmPlan>): boolean {
  return hasChanged(view, ofMoves, plan);
}

function hasChanged({ changedAt }: ClusterView, kinds: readonly Kind[], { revision }: Stored<VmPlan>): boolean {
  return kinds.some((kind) => (changedAt.get(kind) ?? 0) > revision);
}

const none: readonly HostId[] = [];

/**
 * Targets to which the VM could not be moved since it last arrived, for causes of theirs: what failed last comes last. That a host
 * is to become empty, or is none of those any more, counts for nothing: it only comes last.
 */
export function failedTargets(view: ClusterView, vm: VmId): readonly HostId[] {
  const plan = view.plans.get(vm);
  const failed = plan?.value.failedMoves ?? null;
  if (plan === undefined || failed === null || hasChanged(view, ofTargets, plan)) return none;
  // An older version kept the last one alone.
  return failed.targets ?? (isOfTarget(failed.code) ? [failed.to] : none);
}

/** The same once a move to `to` has ended by `code`. */
export function failedTargetsWith(view: ClusterView, vm: VmId, to: HostId, code: string): HostId[] {
  const before = failedTargets(view, vm);
  return isOfTarget(code) ? [...before.filter((host) => host !== to), to] : [...before];
}
