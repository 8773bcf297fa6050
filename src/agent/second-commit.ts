import { isWithoutDeadline } from "../core/limits.ts";
import { copiesOn } from "../core/replication.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { HostId, Revision, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HeldOwner } from "../model/records.ts";
import { heartbeatOf, type Stored } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { runKey } from "./state.ts";

type Decision = "start" | "alone";

/**
 * S23: where two members vote, the other one has each decision on disk before it is committed, but learns that it is only with
 * the next message; forced to go on alone, it drops what it does not know to be. So nothing that nobody could make good may
 * follow a decision before something later, proposed after it was known, is committed too: that carries the knowledge along.
 * True: it is known there, or no such cluster. `revision`: of the records that say it now; `again`: writes them once more.
 */
function isKnownToBoth(
  building: Building,
  decision: Decision,
  run: VmRun,
  revision: Revision,
  again: () => void,
): boolean {
  if (!votesByTwo(building, run)) return true;
  const key = keyOf(decision, run.vm);
  const of = runKey(run);
  const seen = building.state.seen.get(key);
  if (seen?.of === of && revision > seen.revision) return true;
  if (seen?.of !== of)
    building.state = { ...building.state, seen: new Map(building.state.seen).set(key, { of, revision }) };
  again();
  return false;
}

/** By the deadline that this host's own heartbeats state: only such a cluster has none. */
export function votesByTwo({ happened, state }: Building, run: VmRun): boolean {
  const beat = heartbeatOf(happened.view, state.self, run.incarnation)?.value;
  return beat !== undefined && isWithoutDeadline(beat);
}

/** What was decided about copies is taken back, or decided anew later: it is to be known anew then. */
export function forgetAlone(building: Building, vm: VmId): void {
  const key = keyOf("alone", vm);
  if (!building.state.seen.has(key)) return;
  const seen = new Map(building.state.seen);
  seen.delete(key);
  building.state = { ...building.state, seen };
}

function keyOf(decision: Decision, vm: VmId): string {
  return `${decision} ${vm}`;
}

/** The owner record as it is, at a later revision. */
function ownAgain(building: Building, vm: VmId): void {
  const { view } = building.happened;
  const owner = view.owners.get(vm);
  const registration = view.hosts.get(building.state.self);
  if (owner?.value.kind !== "held" || registration === undefined) return;
  const compares = [unchanged(keys.owner(vm), owner), ...stillIn(building.state.self, registration)];
  building.commit(vm, transaction(compares, [put(keys.owner(vm), (owner as Stored<HeldOwner>).value)]), []);
}

/** S23: an epoch that the other voter knew nothing of would be started from its copy as if it had never run. */
export function isOwnedForBoth(building: Building, run: VmRun): boolean {
  const revision = building.happened.view.owners.get(run.vm)?.revision;
  if (revision === undefined) return false;
  return isKnownToBoth(building, "start", run, revision, () => ownAgain(building, run.vm));
}

/** S23: of a copy that the other voter believed to be in sync it would start the VM, without what is written from here on. */
export function isLeftForBoth(building: Building, run: VmRun, to: HostId, again: () => void): boolean {
  const { view } = building.happened;
  const records = copiesOn(view, run.vm, to).flatMap(({ record }) => (record === undefined ? [] : [record.revision]));
  if (records.length > 0) return isKnownToBoth(building, "alone", run, Math.min(...records) as Revision, again);
  // Their records are gone: what says so later is the owner's.
  const owned = view.owners.get(run.vm)?.revision;
  return owned !== undefined && isKnownToBoth(building, "alone", run, owned, () => ownAgain(building, run.vm));
}
