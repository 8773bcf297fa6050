import type { Epoch, HostId, VmId, WallMs } from "../model/ids.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import { type CycleId, isSameCycle, type SealedCycle } from "../model/replication-cycle.ts";
import type { Group } from "../model/replication-records.ts";
import type { Transaction } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf } from "../model/view.ts";
import { copiesOn, hostsWithCopies, type Run, recordCopies } from "./replication.ts";
import { doorsTo, isWorking, protectionOf } from "./replication-duty.ts";
import { type AcceptedLoss, lossToAccept } from "./replication-promotion.ts";
import { put, unchanged } from "./transactions.ts";

// What is recorded of copies that are brought up to date in cycles, and when such a copy may be promoted (S25).

/**
 * Only after the driver's `sealed`. Refused where a record says that the copy has every write, or keeps a branch that nobody
 * else has, or knows of this cycle or a later one: a late transaction takes nothing back.
 */
export function sealedTransaction(
  view: ClusterView,
  vm: VmId,
  run: Run,
  to: HostId,
  cycle: SealedCycle,
): { readonly kind: "commit"; readonly transaction: Transaction } | Refusal {
  for (const { record } of copiesOn(view, vm, to)) {
    const state = record?.value.state;
    const isLater = state?.kind === "sealed" && state.chain === cycle.chain && state.sequence >= cycle.sequence;
    const isBranch = state?.kind === "diverged" && state.kept;
    if (state?.kind === "in-sync" || isBranch || isLater) return refuse("replica-overtaken", { vm });
  }
  const { chain, sequence, at, point } = cycle;
  return recordCopies(view, vm, run, to, () => ({ kind: "sealed", chain, sequence, at, point }));
}

/** The cycle that all volumes are recorded at; undefined: there is no such one. */
export function sealedCycle(view: ClusterView, vm: VmId, host: HostId): SealedCycle | undefined {
  const states = copiesOn(view, vm, host).map(({ record }) => record?.value.state);
  const [first] = states;
  if (first?.kind !== "sealed") return undefined;
  return states.every((state) => state?.kind === "sealed" && isSameCycle(state, first)) ? first : undefined;
}

/**
 * The VM can be stopped here and started at `to` without a loss: its run ends in order, and what it wrote last is sent in one
 * more cycle before that (S25). By the records; whether that cycle arrives nobody knows yet.
 */
export function sealsLast(view: ClusterView, vm: VmId, to: HostId): boolean {
  const owner = view.owners.get(vm)?.value;
  const protection = protectionOf(view, vm);
  if (owner?.kind !== "held" || protection?.to !== to || protection.group.mode.kind !== "asynchronous") return false;
  if (fenceOf(view, owner.host, owner.incarnation) !== undefined || !isWorking(view, protection.group)) return false;
  const isOfThisRun = copiesOn(view, vm, to).every(({ record }) => record?.value.epoch === owner.epoch);
  return isOfThisRun && sealedCycle(view, vm, to) !== undefined && doorsTo(view, vm, owner, to) !== undefined;
}

/**
 * The part of a run's end by its own host that says that its copies have everything: `last` was begun after its guest stood still
 * for good. Nothing, where they are not on record at that very cycle.
 */
export function saidWhole(view: ClusterView, vm: VmId, epoch: Epoch, last: CycleId | null) {
  const copies = hostsWithCopies(view, vm).flatMap((host) => {
    const known = sealedCycle(view, vm, host);
    return last !== null && known !== undefined && isSameCycle(known, last) ? copiesOn(view, vm, host) : [];
  });
  const isOfIt = copies.every(({ record }) => record?.value.epoch === epoch);
  return {
    compares: copies.map(({ key, record }) => unchanged(key, record)),
    writes: !isOfIt
      ? []
      : copies.flatMap(({ key, record }) => {
          const state = record?.value.state;
          return record === undefined || state?.kind !== "sealed"
            ? []
            : [put(key, { ...record.value, state: { ...state, whole: true as const } })];
        }),
  };
}

/** For how long what is written is not at the copy yet, in milliseconds; undefined: there is no sealed cycle. */
export function lagMs(view: ClusterView, vm: VmId, host: HostId, now: WallMs): number | undefined {
  const cycle = sealedCycle(view, vm, host);
  return cycle === undefined ? undefined : Math.max(0, now - cycle.at);
}

/** The same as long as it grows: while somebody runs the VM, or until its host was lost. Undefined also where nobody does. */
export function lagNow(view: ClusterView, vm: VmId, host: HostId, now: WallMs): number | undefined {
  if (view.owners.get(vm)?.value.kind !== "held") return undefined;
  return lagMs(view, vm, host, hostLostAt(view, vm) ?? now);
}

/**
 * A failover to the last sealed cycle by the group's policy alone, as an order of which the loss is stated: at most `limitMs`
 * of writes. `lostAt`: when the host of the run was recorded as lost, which is never before it wrote its last. Undefined: it
 * is for a person. So it is where the two clocks cannot both be right: then nobody knows what is lost.
 */
export function lossByPolicy(
  view: ClusterView,
  vm: VmId,
  host: HostId,
  lostAt: WallMs,
  limitMs: number | null,
): AcceptedLoss | undefined {
  const cycle = sealedCycle(view, vm, host);
  if (limitMs === null || cycle === undefined || cycle.at > lostAt || lostAt - cycle.at > limitMs) return undefined;
  return lossToAccept(view, vm, host);
}

const unknownWaitMs = 60_000;

/**
 * When the host of the VM's run had written its last, or later; undefined: it is not lost, or it lives again and has its disks.
 * A fence by silence comes after its deadline; any other one leaves it the time until that.
 */
export function hostLostAt(view: ClusterView, vm: VmId): WallMs | undefined {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind !== "held" || view.hosts.get(owner.host)?.value.incarnation !== owner.incarnation) return undefined;
  const fence = fenceOf(view, owner.host, owner.incarnation)?.value;
  if (fence === undefined || fence.cause === "silence") return fence?.stoodBy ?? fence?.at;
  const beat = heartbeatOf(view, owner.host, owner.incarnation)?.value;
  return (fence.at + (beat === undefined ? unknownWaitMs : beat.deadlineMs + beat.marginMs)) as WallMs;
}

export type PolicyLoss = {
  readonly host: HostId;
  /** What is lost at most, as it is stated, in seconds. */
  readonly seconds: number;
  /** What the group allows, in seconds; null: nothing without an order. */
  readonly limitS: number | null;
  /** Undefined: the group does not allow it. */
  readonly accepted: AcceptedLoss | undefined;
};

/** What a failover to the VM's copy in cycles would lose, were its host lost at `lostAt`; undefined: there is no such copy. */
export function policyLoss(view: ClusterView, vm: VmId, lostAt: WallMs): PolicyLoss | undefined {
  const protection = protectionOf(view, vm);
  const cycle = protection === undefined ? undefined : sealedCycle(view, vm, protection.to);
  if (protection === undefined || cycle === undefined) return undefined;
  const { to, group } = protection;
  const limitS = group.mode.kind === "asynchronous" ? group.mode.lossS : null;
  const accepted = lossByPolicy(view, vm, to, lostAt, limitS === null ? null : limitS * 1_000);
  return { host: to, seconds: Math.max(0, Math.ceil((lostAt - cycle.at) / 1_000)), limitS, accepted };
}

/** The copy lags for longer than two intervals explain: something keeps its cycles from being sealed. */
export function isLate(mode: Group["mode"], lag: number): boolean {
  return mode.kind === "asynchronous" && lag > 2 * mode.everyS * 1_000;
}

const retry = { firstMs: 1_000, maxMs: 60_000 } as const;

/**
 * When the next cycle begins, in the caller's milliseconds. One that took longer than the interval is followed at once, so
 * that an outage is caught up with; one that was broken is tried again soon, then less and less often.
 */
export function nextCycleAt(
  everyMs: number,
  last: { readonly begunAt: number; readonly endedAt: number; readonly failures: number },
): number {
  const { begunAt, endedAt, failures } = last;
  if (failures === 0) return Math.max(begunAt + everyMs, endedAt);
  return endedAt + Math.min(everyMs, retry.maxMs, retry.firstMs * 2 ** Math.min(failures - 1, 10));
}
