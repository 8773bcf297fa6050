import { assert, must } from "../base/assert.ts";
import { type Epoch, type HostId, type Incarnation, nextEpoch, type VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { GoBack } from "../model/point-records.ts";
import type { HeldOwner, HostRegistration, Owner, ReleasedOwner, Vm, VmExit } from "../model/records.ts";
import type { Compare, Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import { assertProves, type FenceProof } from "./fencing.ts";
import { noChange, planChange } from "./plans.ts";
import { hostsWithCopies } from "./replication.ts";
import { put, stillIn, transaction, unchanged } from "./transactions.ts";
import { liesOn } from "./volume-place.ts";

/** The epoch of the next start: grows at every start of a VM, not only when the owner changes (S14). */
function epochAfter(owner: Owner | undefined): Epoch {
  return owner === undefined ? (1 as Epoch) : nextEpoch(owner.epoch);
}

function registrationOf(view: ClusterView, host: HostId): Stored<HostRegistration> {
  return must(view.hosts.get(host), () => `Cannot use host ${host}: it never registered`);
}

export type Places = {
  /** That its holder is gone; undefined: nobody holds it. */
  readonly proof?: FenceProof | undefined;
  /** It ran well where it was lost: what failed before that is over. */
  readonly ranWell?: boolean | undefined;
  /** The lock that its lost host left on it goes with it. */
  readonly unlocked?: boolean | undefined;
  /** Its disks there go back to a recovery point first (S20). */
  readonly back?: GoBack | undefined;
};

/** A going back that nobody has done yet stands for as long as the disks lie where they are. */
function stillBack(owner: Owner | undefined, to: HostId): { readonly back?: GoBack } {
  return owner?.back === undefined || owner.host !== to ? {} : { back: owner.back };
}

/**
 * Hands a VM that nobody may run to `to`. Without an owner or with a released one no proof is needed; a held one needs
 * the proof of its holder, and the transaction compares that very record.
 */
export function placeTransaction(
  view: ClusterView,
  vm: VmId,
  to: HostId,
  { proof, ranWell = false, unlocked = false, back }: Places,
  also: readonly Compare[],
): Transaction {
  const owner = view.owners.get(vm);
  assertDisksAt(view, vm, to);
  const registration = registrationOf(view, to);
  const compares: Compare[] = [
    unchanged(keys.owner(vm), owner),
    unchanged(keys.vm(vm), view.vms.get(vm)),
    ...stillIn(to, registration),
    ...also,
  ];
  compares.push(...proofCompares(owner?.value, proof));
  const next: HeldOwner = {
    schema: 1,
    kind: "held",
    host: to,
    incarnation: registration.value.incarnation,
    epoch: epochAfter(owner?.value),
    failedHosts: ranWell ? [] : (owner?.value.failedHosts ?? []),
    ...(back === undefined ? stillBack(owner?.value, to) : { back }),
  };
  const writes = [put(keys.owner(vm), next)];
  const wanted = view.vms.get(vm)?.value;
  if (unlocked && wanted !== undefined) writes.push(put(keys.vm(vm), { ...wanted, lock: null }));
  return transaction(compares, writes);
}

/** S15: local volumes change their place with a guest that takes them along, or by copies, never by a record alone. */
function assertDisksAt(view: ClusterView, id: VmId, to: HostId): void {
  const vm = view.vms.get(id)?.value;
  const lies = vm === undefined ? undefined : liesOn(view, vm);
  // Copies there that were promoted with it are the volumes from then on (S17).
  const isThere = lies === undefined || lies === to || hostsWithCopies(view, id).includes(to);
  assert(isThere, () => `Cannot place ${id} on ${to}: its disks lie on ${lies}`);
}

function proofCompares(owner: Owner | undefined, proof: FenceProof | undefined): Compare[] {
  if (owner === undefined || owner.kind === "released") return [];
  const given = must(proof, () => `Cannot take a VM from ${owner.host}/${owner.incarnation}: no fence proof`);
  assertProves(given, owner);
  return [unchanged(keys.fence(given.host, given.incarnation), given.record)];
}

/** The holder's own next start after its QEMU ended: same host, same incarnation, next epoch (S14). */
export function restartTransaction(view: ClusterView, vm: VmId, owner: Stored<HeldOwner>): Transaction {
  const registration = registrationOf(view, owner.value.host);
  assert(
    registration.value.incarnation === owner.value.incarnation,
    () => `Cannot restart ${vm}: ${owner.value.host} runs incarnation ${registration.value.incarnation} now`,
  );
  const next: HeldOwner = { ...owner.value, epoch: nextEpoch(owner.value.epoch) };
  return transaction(
    [
      unchanged(keys.owner(vm), owner),
      // HM5: not in a cluster that was disarmed meanwhile.
      unchanged(keys.disarm, view.disarm),
      ...stillIn(owner.value.host, registration),
    ],
    [put(keys.owner(vm), next)],
  );
}

/**
 * The holder gives the VM up, after it verified that nothing of the run is left; `failed` says why where it was not
 * asked to stop. An older incarnation's record may be released by the same host's new one, which killed what was left (S6).
 * `ranWell`: what failed elsewhere before this run is over.
 */
export function releaseTransaction(
  view: ClusterView,
  vm: VmId,
  owner: Stored<HeldOwner>,
  failed: VmExit | null,
  ranWell = false,
): Transaction {
  const { host, epoch, failedHosts } = owner.value;
  const next: Owner = {
    schema: 1,
    kind: "released",
    host,
    epoch,
    failed,
    // Each failure counts, also a second one on the same host: their number is what bounds the attempts (PL3).
    failedHosts: failed === null ? [] : [...(ranWell ? [] : failedHosts), host],
    ...stillBack(owner.value, host),
  };
  return transaction(
    [unchanged(keys.owner(vm), owner), ...stillIn(host, registrationOf(view, host))],
    [put(keys.owner(vm), next)],
  );
}

/**
 * A VM of a lost host that nobody wants running: given up with the proof, no start anywhere. The epoch grows: the frozen
 * copy that the host may still hold must not be what a later start there takes for its own (S11). `place`: where it lies
 * from now on; otherwise where it was.
 */
export function releaseLostTransaction(
  view: ClusterView,
  vm: VmId,
  proof: FenceProof,
  also: readonly Compare[],
  place?: HostId,
): Transaction {
  const owner = must(view.owners.get(vm), () => `Cannot release ${vm}: it has no owner`);
  const next: Owner = {
    schema: 1,
    kind: "released",
    host: place ?? owner.value.host,
    epoch: nextEpoch(owner.value.epoch),
    failed: null,
    failedHosts: [],
    ...stillBack(owner.value, place ?? owner.value.host),
  };
  return transaction(
    [
      unchanged(keys.owner(vm), owner),
      unchanged(keys.vm(vm), view.vms.get(vm)),
      ...proofCompares(owner.value, proof),
      ...also,
    ],
    [put(keys.owner(vm), next)],
  );
}

/**
 * A VM that failed and is not wanted: the hosts where it failed are forgotten. Its error only once it is disabled, which is
 * the one way out of it (HM2). Undefined: there is nothing to forget.
 */
export function forgetFailuresTransaction(
  view: ClusterView,
  vm: Vm,
  also: readonly Compare[],
): Transaction | undefined {
  const owner = view.owners.get(vm.id);
  const left = owner?.value.kind === "released" ? owner.value : undefined;
  const failed = left !== undefined && (left.failed !== null || left.failedHosts.length > 0) ? left : undefined;
  const plan = vm.requested === "disabled" ? planChange(view, vm.id, { error: null, failedMoves: null }) : noChange;
  if (failed === undefined && plan.writes.length === 0) return undefined;
  const compares = [unchanged(keys.owner(vm.id), owner), unchanged(keys.vm(vm.id), view.vms.get(vm.id)), ...also];
  const writes = failed === undefined ? [] : [put(keys.owner(vm.id), forgiven(failed, vm))];
  return transaction([...compares, ...plan.compares], [...writes, ...plan.writes]);
}

/**
 * Out of an error it starts from what lies there: the point that it was to go back to may be what it failed of. Not where what
 * lies there was never a moment, such as a copy that was half made (S20).
 */
function forgiven({ back, ...owner }: ReleasedOwner, { requested }: Vm): ReleasedOwner {
  const still = back === undefined || (requested === "disabled" && back.keeps) ? {} : { back };
  return { ...owner, ...still, failed: null, failedHosts: [] };
}

/** Nobody may run the VM; it is said to belong to another host from now on, where its next start begins (HM1). */
export function changePlaceTransaction(
  view: ClusterView,
  vm: VmId,
  to: HostId,
  also: readonly Compare[],
  back?: GoBack,
): Transaction {
  const owner = view.owners.get(vm);
  assert(owner?.value.kind !== "held", () => `Cannot change the place of ${vm}: ${owner?.value.host} holds it`);
  assertDisksAt(view, vm, to);
  const next: Owner = {
    schema: 1,
    kind: "released",
    host: to,
    epoch: owner?.value.epoch ?? (0 as Epoch),
    failed: null,
    failedHosts: [],
    ...(back === undefined ? stillBack(owner?.value, to) : { back }),
  };
  return transaction(
    [unchanged(keys.owner(vm), owner), unchanged(keys.vm(vm), view.vms.get(vm)), ...also],
    [put(keys.owner(vm), next)],
  );
}

/**
 * S11: a host that was fenced, but whose VM nobody took, claims it back for its new incarnation. Not while a device may
 * still cut its power. Undefined: it may not; the old copy is killed.
 */
export function adoptTransaction(
  view: ClusterView,
  vm: VmId,
  self: { readonly host: HostId; readonly incarnation: Incarnation },
): Transaction | undefined {
  const owner = view.owners.get(vm);
  if (owner === undefined || owner.value.kind !== "held") return undefined;
  if (owner.value.host !== self.host || owner.value.incarnation >= self.incarnation) return undefined;
  const registration = registrationOf(view, self.host);
  if (registration.value.incarnation !== self.incarnation) return undefined;
  const fence = fenceOf(view, self.host, owner.value.incarnation);
  if (fence?.value.device === "begun") return undefined;
  const next: HeldOwner = { ...owner.value, incarnation: self.incarnation, epoch: nextEpoch(owner.value.epoch) };
  return transaction(
    [
      unchanged(keys.owner(vm), owner),
      unchanged(keys.fence(self.host, owner.value.incarnation), fence),
      ...stillIn(self.host, registration),
    ],
    [put(keys.owner(vm), next)],
  );
}

/** By the agent of its host, before it starts it: its disks hold what the point holds. As each word of who may run it, anew (S14). */
export function wentBackTransaction(view: ClusterView, vm: VmId, owner: Stored<HeldOwner>): Transaction {
  const { back: _, ...before } = owner.value;
  const next: HeldOwner = { ...before, epoch: nextEpoch(before.epoch) };
  return transaction(
    [unchanged(keys.owner(vm), owner), ...stillIn(next.host, registrationOf(view, next.host))],
    [put(keys.owner(vm), next)],
  );
}

/** Asserted again by the agent, right before the start effect leaves. */
export function assertMayStart(
  view: ClusterView,
  run: { readonly vm: VmId; readonly incarnation: Incarnation; readonly epoch: Epoch },
  self: HostId,
): void {
  const owner = must(view.owners.get(run.vm), () => `Cannot start ${run.vm}: it has no owner`).value;
  assert(owner.kind === "held", () => `Cannot start ${run.vm}: its owner record is released`);
  assert(owner.host === self, () => `Cannot start ${run.vm} on ${self}: the owner is ${owner.host}`);
  assert(
    owner.incarnation === run.incarnation,
    () => `Cannot start ${run.vm}: owner incarnation ${owner.incarnation}, mine ${run.incarnation}`,
  );
  assert(owner.back === undefined, () => `Cannot start ${run.vm}: its disks are to go back first`);
  assert(owner.epoch === run.epoch, () => `Cannot start ${run.vm} epoch ${run.epoch}: the owner's is ${owner.epoch}`);
  assert(
    fenceOf(view, self, run.incarnation) === undefined,
    () => `Cannot start ${run.vm}: ${self}/${run.incarnation} is fenced`,
  );
}
