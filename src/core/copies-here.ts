import type { Epoch, HostId, VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { copiesOn, mayGoByHost } from "./replication.ts";
import { sidesOf } from "./replication-duty.ts";

// What one host knows of its own runs beyond what the store says: while the store takes no record, its word is the last one that was
// committed, and the guest may have gone on alone since. For people: nothing is decided by it.

/**
 * A run of this host whose writes do not reach its copy, though no record says so. `waits`: each write waits. `alone`: it goes on
 * without it, by this host's own note (S23).
 */
export type CopyHere = {
  readonly vm: VmId;
  readonly epoch: Epoch;
  readonly kind: "waits" | "alone";
  /** Since when it goes on alone; null: it does not. */
  readonly since: WallMs | null;
  /** What only this host has; null: not known. */
  readonly atRiskMiB: number | null;
};

export type OwnWord = {
  readonly self: HostId;
  readonly copies: readonly CopyHere[];
  /** Its heartbeats come here; false also where nothing comes at all. */
  readonly isHeard: (host: HostId) => boolean;
};

/** Of the run that the owner record names; undefined: the records say all that this host knows. */
export function copyHere(view: ClusterView, vm: VmId, own: OwnWord | undefined): CopyHere | undefined {
  const owner = view.owners.get(vm)?.value;
  if (own === undefined || owner?.kind !== "held" || owner.host !== own.self) return undefined;
  return own.copies.find((one) => one.vm === vm && one.epoch === owner.epoch);
}

/** What this host has to add to a record that says that the copy has every write. */
export function ownTrouble(
  view: ClusterView,
  group: Group,
  vm: VmId,
  own: OwnWord | undefined,
  now: WallMs,
): Reason | undefined {
  const sides = sidesOf(view, group, vm);
  if (own === undefined || sides === undefined) return undefined;
  const name = view.vms.get(vm)?.value.name ?? vm;
  const params = { vm: name, host: sides.to, here: own.self };
  const known = copyHere(view, vm, own);
  if (known?.kind === "waits") return reason("S16", "group-vm-waits-here", params);
  if (known?.kind === "alone") {
    const seconds = known.since === null ? "?" : Math.max(0, Math.round((now - known.since) / 1_000));
    return reason("S23", "group-vm-alone-here", { ...params, seconds, atRiskMiB: known.atRiskMiB ?? "?" });
  }
  return isBeyondSight(view, vm, sides, own)
    ? reason("S23", "group-vm-maybe-alone", { ...params, from: sides.from })
    : undefined;
}

/** Its host is not heard here, and may let it go on without the copy by a note that nobody else can read (S23). */
function isBeyondSight(view: ClusterView, vm: VmId, { from, to }: { from: HostId; to: HostId }, own: OwnWord): boolean {
  const owner = view.owners.get(vm)?.value;
  if (from === own.self || owner?.kind !== "held" || own.isHeard(from)) return false;
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined || copiesOn(view, vm, to).length === 0) return false;
  return mayGoByHost(view, vm, owner, to);
}
