import type { HostId, VmId } from "../../model/ids.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";

/** MiB, cores and number of the VMs that a host has promised a place. */
export type Load = { memoryMiB: number; cores: number; vms: number };

/**
 * The hosts on which a VM takes room now: its holder's, and where it goes by a placement under way (`to`) or an open
 * move. A holder that is fenced keeps nothing once the VM is promised elsewhere.
 */
export function seatsOf(view: ClusterView, vm: VmId, to: HostId | undefined): readonly HostId[] {
  const owner = view.owners.get(vm)?.value;
  const aim = to ?? openAim(view, vm);
  if (owner?.kind !== "held") return aim === undefined ? [] : [aim];
  if (aim === undefined || aim === owner.host) return [owner.host];
  const gone = to !== undefined && fenceOf(view, owner.host, owner.incarnation) !== undefined;
  return gone ? [aim] : [owner.host, aim];
}

/** Where a VM counts as being, for what belongs together with it: where it goes, else where it is held. */
export function seatOf(view: ClusterView, vm: VmId, to: HostId | undefined): HostId | undefined {
  const aim = to ?? openAim(view, vm);
  if (aim !== undefined) return aim;
  const owner = view.owners.get(vm)?.value;
  return owner?.kind === "held" ? owner.host : undefined;
}

function openAim(view: ClusterView, vm: VmId): HostId | undefined {
  if (view.moves.size === 0) return undefined;
  const move = view.moves.get(vm)?.value;
  return move?.answer.kind === "open" ? move.to : undefined;
}

/** Adds (`sign` 1) or takes away (−1) what `vm` asks of a host. */
export function addLoad(load: Load, view: ClusterView, vm: VmId, sign: 1 | -1): void {
  const spec = view.vms.get(vm)?.value.spec;
  load.memoryMiB += sign * (spec?.memoryMiB ?? 0);
  load.cores += sign * (spec?.cpus ?? 0);
  load.vms += sign;
}
