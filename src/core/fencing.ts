import { assert } from "../base/assert.ts";
import type { HostId, Incarnation, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { FenceCause, FenceRecord, Owner, Pool, ProofKind, Vm } from "../model/records.ts";
import type { Compare, Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import type { Contact } from "./contact.ts";
import { put, transaction, unchanged } from "./transactions.ts";

declare const issuedHere: unique symbol; // not exported: only this file can issue a proof

/** The value without which no VM of a lost incarnation is started. It carries the record that a transaction compares. */
export type FenceProof = {
  readonly host: HostId;
  readonly incarnation: Incarnation;
  readonly by: ProofKind;
  readonly record: Stored<FenceRecord>;
  readonly [issuedHere]: true;
};

// S10. Freezing is enough where an old run's writes reach nothing that the next one uses: storage that refuses an old
// epoch, or a folder that only its own host has. On a shared folder a frozen QEMU still holds its file, and writes in flight
// may land later, so only power-off (or the host's own last word) counts.
const acceptedProofs: { readonly [K in Pool["kind"]]: readonly ProofKind[] } = {
  replicated: ["silence", "waited", "power-off", "last-word", "word"],
  "shared-dir": ["power-off", "last-word", "word"],
  "local-dir": ["silence", "waited", "power-off", "last-word", "word"],
};

/** The pools of a VM's disks; undefined where one of them is not known, which blocks every start. */
export function poolsOf(vm: Vm, view: ClusterView): readonly Pool[] | undefined {
  const pools: Pool[] = [];
  for (const disk of vm.spec.disks) {
    const pool = view.pools.get(disk.pool)?.value;
    if (pool === undefined) return undefined;
    pools.push(pool);
  }
  return pools;
}

/** Which proofs suffice for every one of the pools (S10). A VM without disks follows the strictest. */
export function proofsAcceptedBy(pools: readonly Pool[]): readonly ProofKind[] {
  if (pools.length === 0) return acceptedProofs["shared-dir"];
  return acceptedProofs.replicated.filter((proof) => pools.every((pool) => acceptedProofs[pool.kind].includes(proof)));
}

/** A device is asked for a VM whose pools accept its word but not the silence alone. */
export function needsDevice(pools: readonly Pool[]): boolean {
  const accepted = proofsAcceptedBy(pools);
  return accepted.includes("power-off") && !accepted.includes("silence");
}

/** The proof that (host, incarnation) can never again write these pools; undefined: nothing of it may start elsewhere. */
export function proveGone(
  view: ClusterView,
  host: HostId,
  incarnation: Incarnation,
  pools: readonly Pool[],
): FenceProof | undefined {
  const record = fenceOf(view, host, incarnation);
  if (record === undefined) return undefined;
  const accepted = proofsAcceptedBy(pools);
  const by = record.value.proofs.find((proof) => accepted.includes(proof));
  if (by === undefined) return undefined;
  return { host, incarnation, by, record } as FenceProof;
}

/** Asserted again right where an owner changes (style: twice, in two places). */
export function assertProves(proof: FenceProof, owner: Owner): void {
  assert(owner.kind === "held", "Cannot use a fence proof: nobody holds the VM");
  assert(
    owner.host === proof.host && owner.incarnation === proof.incarnation,
    () => `Cannot use the proof of ${proof.host}/${proof.incarnation}: the owner is ${owner.host}/${owner.incarnation}`,
  );
}

export type FenceOrder = {
  readonly host: HostId;
  readonly incarnation: Incarnation;
  readonly cause: FenceCause;
  readonly by: HostId;
  readonly device: boolean;
  readonly at: WallMs;
  /** When its VMs stood still at the latest; not there: not before `at`. */
  readonly stoodBy?: WallMs;
};

/**
 * S9.1: the record comes first. By silence it is guarded by the last heartbeat's revision: whoever of heartbeat and
 * fence commits first, the other is refused, and so its success is its own proof. Any other cause carries no proof yet. An order
 * rests on what the last heartbeat says, and is guarded by it as well: an agent that is back, or VMs that go on, refuse it (S13).
 */
export function fenceTransaction(
  view: ClusterView,
  order: FenceOrder,
  contact: Contact | undefined,
  also: readonly Compare[],
): Transaction {
  const { host, incarnation } = order;
  assert(order.cause !== "silence" || contact !== undefined, "Cannot fence by silence a host that was never heard");
  const record: FenceRecord = {
    schema: 1,
    cause: order.cause,
    by: order.by,
    heartbeatRevision: contact?.revision ?? null,
    waitedMs: order.cause === "silence" && contact !== undefined ? contact.waitMs : 0,
    device: order.device ? "begun" : "not-needed",
    proofs: order.cause === "silence" ? ["silence"] : [],
    at: order.at,
    ...(order.stoodBy === undefined ? {} : { stoodBy: order.stoodBy }),
  };
  const compares: Compare[] = [
    { kind: "absent", key: keys.fence(host, incarnation) },
    unchanged(keys.host(host), view.hosts.get(host)),
    // HM5: not in a cluster that was disarmed meanwhile.
    unchanged(keys.disarm, view.disarm),
    ...also,
  ];
  if ((order.cause === "silence" || order.cause === "order") && contact !== undefined) {
    compares.push({ kind: "revision", key: keys.heartbeat(host, incarnation), revision: contact.revision });
  }
  return transaction(compares, [put(keys.fence(host, incarnation), record)]);
}

/** S9.3: a proof is added to the record only as it was read, in the leader's term. */
export function proofTransaction(
  host: HostId,
  incarnation: Incarnation,
  record: Stored<FenceRecord>,
  change: { readonly proof?: ProofKind; readonly device?: FenceRecord["device"] },
  also: readonly Compare[],
): Transaction {
  const proofs =
    change.proof === undefined || record.value.proofs.includes(change.proof)
      ? record.value.proofs
      : [...record.value.proofs, change.proof];
  const next: FenceRecord = { ...record.value, proofs, device: change.device ?? record.value.device };
  return transaction(
    [unchanged(keys.fence(host, incarnation), record), ...also],
    [put(keys.fence(host, incarnation), next)],
  );
}
