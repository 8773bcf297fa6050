import type { Epoch, HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import type { Replica } from "../model/replication-records.ts";
import type { Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import type { Door } from "../ports/migration.ts";
import { isCountedOn } from "./replica-removal.ts";
import { copiesOn } from "./replication.ts";
import { put, remove, stillIn, transaction, unchanged } from "./transactions.ts";

// What the agent of the host that receives copies writes of them: where it answers, and that it has none any more. What a copy
// is worth is said by whoever runs the VM, and stays as it was.

/** Where they are received, whether the images are what the run before left there, and which cycles are not there any more. */
export type Received = {
  readonly doors: readonly Door[];
  readonly isAsLeft: boolean;
  readonly lost: LostCycles | null;
};

/** Of this chain all cycles after `above`: what the copies have left behind, no later cycle is built upon (S25). */
export type LostCycles = { readonly chain: string; readonly above: number };

/**
 * S21, S25: what was on record when the copies were opened, and is not what lies there. `last`: what does; one of another chain
 * may be newer than the record.
 */
export function lostCycles(promised: SealedCycle | undefined, last: SealedCycle | null): LostCycles | null {
  if (promised === undefined) return null;
  const { chain, sequence } = promised;
  if (last === null) return { chain, above: 0 };
  return last.chain === chain && last.sequence < sequence ? { chain, above: last.sequence } : null;
}

function isLost({ state }: Replica, lost: LostCycles | null): boolean {
  return state.kind === "sealed" && state.chain === lost?.chain && state.sequence > lost.above;
}
type Commit = { readonly kind: "commit"; readonly transaction: Transaction };

/** Where the copies of run `epoch` are received. One of which nothing is known, or that lost its cycle, is of no use yet: `copying`. */
export function receiverTransaction(
  view: ClusterView,
  vm: VmId,
  self: HostId,
  epoch: Epoch,
  { doors, isAsLeft, lost }: Received,
): Commit | Refusal {
  const owner = view.owners.get(vm);
  const registration = view.hosts.get(self);
  if (owner?.value.kind !== "held" || owner.value.epoch !== epoch) return refuse("replica-overtaken", { vm });
  if (registration === undefined || fenceOf(view, self, registration.value.incarnation) !== undefined)
    return refuse("replica-host-lost", { vm, host: self });
  const receiver = { incarnation: registration.value.incarnation, epoch, doors: [...doors], isAsLeft };
  const all = copiesOn(view, vm, self);
  const fresh = { schema: 1, vm, host: self, epoch, state: { kind: "copying" } } as const;
  return {
    kind: "commit",
    transaction: transaction(
      [
        unchanged(keys.owner(vm), owner),
        unchanged(keys.vm(vm), view.vms.get(vm)),
        ...stillIn(self, registration),
        ...all.map(({ key, record }) => unchanged(key, record)),
      ],
      all.map(({ key, record, volume }) => {
        const known: Replica = { ...(record?.value ?? { ...fresh, volume, receiver }), receiver };
        // What it promises is not there: nobody is to count on it until something else is.
        const next: Replica = isLost(known, lost) ? { ...known, state: { kind: "copying" } } : known;
        return put(key, next);
      }),
    ),
  };
}

/** They say so already. */
export function isReceiverKnown(
  view: ClusterView,
  vm: VmId,
  self: HostId,
  epoch: Epoch,
  { doors, isAsLeft, lost }: Received,
): boolean {
  const present = view.hosts.get(self)?.value.incarnation;
  const wanted = JSON.stringify(doors);
  return copiesOn(view, vm, self).every(({ record }) => {
    const said = record?.value.receiver;
    return (
      said?.incarnation === present &&
      said?.epoch === epoch &&
      said.isAsLeft === isAsLeft &&
      record !== undefined &&
      !isLost(record.value, lost) &&
      JSON.stringify(said.doors) === wanted
    );
  });
}

/**
 * Nobody protects the VM with these copies any more, and nobody counts on them: they are forgotten. Refused while one is in
 * sync with the VM's last run: it may be the only one left.
 */
export function forgetCopiesTransaction(view: ClusterView, vm: VmId, self: HostId): Commit | Refusal {
  const registration = view.hosts.get(self);
  const known = [...view.replicas].filter(
    ([, { value }]) => value.vm === vm && value.host === self && value.pool === undefined,
  );
  if (registration === undefined || known.length === 0) return refuse("replica-overtaken", { vm });
  if (known.some(([, { value }]) => isCountedOn(view, value))) return refuse("replica-overtaken", { vm });
  return {
    kind: "commit",
    transaction: transaction(
      [
        unchanged(keys.owner(vm), view.owners.get(vm)),
        ...stillIn(self, registration),
        ...known.map(([key, record]) => unchanged(key, record)),
      ],
      known.map(([key]) => remove(key)),
    ),
  };
}
