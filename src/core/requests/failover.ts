import type { HostId, Revision, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmOrder } from "../../model/move-records.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import type { Group } from "../../model/replication-records.ts";
import type { Compare } from "../../model/transaction.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { poolsOf, proveGone } from "../fencing.ts";
import { pointToStartFrom } from "../point-return.ts";
import { newestPoint } from "../points.ts";
import { copiesOn } from "../replication.ts";
import { groupOf, lackedAt } from "../replication-duty.ts";
import { usabilityOnceLost } from "../replication-usable.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { vmError } from "../vm-error.ts";
import { findHost, hostName, refuseDisarmed } from "./find.ts";
import { findGroup, vmsOf } from "./groups.ts";
import { lacksDisks, refuseTarget } from "./move-target.ts";
import type { Asked, Planned } from "./plan.ts";
import { findPoint } from "./points.ts";
import type { Sight } from "./sight.ts";

// A failover by hand to copies that lack something. Nobody orders it without having been shown what is lost: the order carries
// the revisions of the records that said so (S18).

/** What the VM would lose, started from its copy now. `null`: nobody can say. */
export type Loss = {
  readonly vm: VmId;
  readonly name: string;
  readonly to: HostId;
  /** `whole`: nothing; it fails over by itself once its host is proven gone. */
  readonly code: string;
  /** Everything that was written after it is lost; milliseconds of it until now, or until its host was fenced. */
  readonly since: WallMs | null;
  readonly lostMs: number | null;
  readonly lostMiB: number | null;
  /** `missing`: its host is not fenced yet, which follows on the order where it is silent. */
  readonly proof: "not-needed" | "there" | "missing";
  /** What the order has to say. */
  readonly accept: string;
  /** The recovery point that it goes back to; not there: it goes on from what its copy has. */
  readonly point?: string;
  /** It runs, and is stopped for it. */
  readonly stops?: true;
};
type Losses = { readonly kind: "losses"; readonly losses: readonly Loss[] };

export type FailoverRequest = {
  /** By its name. */
  readonly group: string;
  /** A host, by name or id. */
  readonly to: string;
  /** One of its VMs, by name or id; undefined: all of them. */
  readonly vm?: string | undefined;
  /** It goes on from this recovery point there, whatever its copy has; of a VM alone. Undefined: from what its copy has. */
  readonly point?: string | undefined;
};

/** Of the VMs that are not at `to`. Refused where one of them has no copy that a guest could make sense of. */
export function lossesOf(view: ClusterView, request: FailoverRequest, sight: Sight, at: WallMs): Losses | Refusal {
  const { group, to } = request;
  const found = findGroup(view, group);
  if (found.kind === "refused") return found;
  const chosen = vmsOf(view, found.stored.value, request.vm);
  if (chosen.kind === "refused") return chosen;
  const target = findHost(view, to);
  if (target.kind === "refused") return target;
  const { id: host, name } = target.stored.value;
  if (request.point !== undefined)
    return lossToPoint(view, found.stored.value, chosen.vms, { host, at, sight, ...request });
  const losses: Loss[] = [];
  for (const id of chosen.vms) {
    const vm = view.vms.get(id)?.value;
    const owner = view.owners.get(id)?.value;
    if (vm === undefined || owner === undefined || owner.host === host) continue;
    if (owner.kind === "held" && sight(owner.host) === "up")
      return refuse("failover-host-up", { group, vm: vm.name, host: hostName(view, owner.host) });
    const one = lossOf(view, vm, host, at);
    if (one === undefined) return refuse("failover-no-copy", { group, vm: vm.name, host: name });
    losses.push(one);
  }
  return losses.length > 0 ? { kind: "losses", losses } : refuse("group-already-there", { group, host: name });
}

type ToPoint = FailoverRequest & { readonly host: HostId; readonly at: WallMs; readonly sight: Sight };

/** S20: all that was written after the point is lost to the VM; where it lay it stays, as a branch. */
function lossToPoint(
  view: ClusterView,
  { name: group }: Group,
  [id, ...others]: readonly VmId[],
  { point: wanted = "", host, at, sight }: ToPoint,
): Losses | Refusal {
  const vm = id === undefined ? undefined : view.vms.get(id)?.value;
  const owner = vm === undefined ? undefined : view.owners.get(vm.id)?.value;
  if (others.length > 0) return refuse("failover-point-of-one", { group, count: others.length + 1 });
  if (vm === undefined || owner === undefined) return refuse("group-vm-gone", { group, vm: id ?? "?" });
  if (vmError(view, vm.id) !== undefined) return refuse("vm-in-error", { vm: vm.name });
  const params = { vm: vm.name, host: hostName(view, host), point: wanted };
  const runs = owner.kind === "held" && (owner.host === host || sight(owner.host) === "up");
  const busy = runs ? whyNotStopped(view, vm, host, sight, at) : undefined;
  if (busy !== undefined) return busy;
  const found = findPoint(view, vm, wanted);
  if ("kind" in found) return found;
  const point = pointToStartFrom(view, vm.id, host, found.value.id)?.value;
  if (point === undefined) return refuse("failover-point-not-there", params);
  const pools = poolsOf(vm, view);
  const fence = owner.kind === "held" ? fenceOf(view, owner.host, owner.incarnation)?.value : undefined;
  const isProven =
    pools !== undefined && owner.kind === "held" && proveGone(view, owner.host, owner.incarnation, pools);
  const loss: Loss = {
    ...{ vm: vm.id, name: vm.name, to: host, code: "earlier-point", since: point.at, lostMiB: null, point: point.id },
    lostMs: Math.max(0, (fence?.at ?? at) - point.at),
    ...(runs ? { stops: true } : {}),
    proof:
      owner.kind !== "held" || runs ? "not-needed" : isProven === undefined || isProven === false ? "missing" : "there",
    accept: `${vm.name}@${point.id}`,
  };
  return { kind: "losses", losses: [loss] };
}

/** Nothing that runs is stopped for what is known to be in vain. */
function whyNotStopped(view: ClusterView, vm: Vm, to: HostId, sight: Sight, at: WallMs): Refusal | undefined {
  const owner = view.owners.get(vm.id)?.value;
  const isMoved = view.moves.get(vm.id)?.value.answer.kind === "open";
  if (owner === undefined || sight(owner.host) !== "up" || isMoved || vm.lock !== null || vm.requested === "ignored")
    return refuse("failover-vm-runs", { vm: vm.name, host: hostName(view, owner?.host ?? to) });
  const target = view.members.get(to)?.value;
  if (to === owner.host || target === undefined) return undefined;
  const unfit = refuseTarget(view, { vm, kind: "relocate" }, target, sight, at);
  // Which of its disks it starts from is what the point says.
  return unfit !== undefined && lacksDisks(unfit) ? undefined : unfit;
}

function lossOf(view: ClusterView, vm: Vm, to: HostId, at: WallMs): Loss | undefined {
  const owner = view.owners.get(vm.id)?.value;
  // A host that is up is not failed over from: this one cannot be asked.
  const use = usabilityOnceLost(view, vm.id, to);
  if (owner === undefined || use.kind === "unusable") return undefined;
  const pools = poolsOf(vm, view);
  const held = owner.kind === "held" ? owner : undefined;
  const fence = held === undefined ? undefined : fenceOf(view, held.host, held.incarnation)?.value;
  const proof =
    held === undefined || pools === undefined ? undefined : proveGone(view, held.host, held.incarnation, pools);
  const since = use.kind === "lossy" ? (use.since ?? unknownSince(view, vm.id, to, use.code)) : null;
  const lacked = use.kind === "lossy" ? lackedAt(view, vm.id, owner, to) : undefined;
  return {
    ...{ vm: vm.id, name: vm.name, to, code: use.kind === "whole" ? "whole" : use.code, since },
    lostMs: use.kind === "whole" ? 0 : since === null ? null : Math.max(0, (fence?.at ?? at) - since),
    lostMiB: use.kind === "whole" ? 0 : (lacked?.remainingMiB ?? null),
    proof: held === undefined ? "not-needed" : proof === undefined ? "missing" : "there",
    accept: `${vm.name}@${revisionsOf(view, vm.id, to).join("+")}`,
  };
}

/**
 * S21, S25: after a takeover nobody counts on a copy, but one in cycles starts from a sealed one, and which lie there its host has
 * listed: from the newest of them, or a later one.
 */
function unknownSince(view: ClusterView, vm: VmId, to: HostId, code: string): WallMs | null {
  const newest = newestPoint(view, vm, to)?.value;
  const isInCycles = groupOf(view, vm)?.mode.kind === "asynchronous" && newest?.origin === "cycle";
  return code === "replica-unknown" && isInCycles ? newest.at : null;
}

function revisionsOf(view: ClusterView, vm: VmId, to: HostId): Revision[] {
  return copiesOn(view, vm, to).flatMap(({ record }) => (record === undefined ? [] : [record.revision]));
}

/** Recorded for the manager, which takes the copies once the VM's host is proven gone, or drops the order where they changed. */
export function planFailover(view: ClusterView, loss: Loss, accept: readonly string[], asked: Asked): Planned {
  const vm = view.vms.get(loss.vm);
  const params = { vm: loss.name, host: hostName(view, loss.to), accept: loss.accept };
  const disarmed = refuseDisarmed(view);
  if (disarmed !== undefined) return disarmed;
  if (!accept.includes(loss.accept)) return refuse("failover-not-accepted", params);
  const seen = revisionsOf(view, loss.vm, loss.to);
  const stops = loss.stops === undefined ? {} : { stops: loss.stops };
  const point = loss.point === undefined ? {} : { point: loss.point, ...stops };
  const order: VmOrder = {
    ...{
      schema: 1,
      vm: loss.vm,
      order: { kind: "promote", to: loss.to, seen, ...point },
      actor: asked.actor,
      at: asked.at,
    },
  };
  const key = keys.vmOrder(loss.vm);
  return {
    kind: "plan",
    transaction: transaction(
      [
        unchanged(keys.vm(loss.vm), vm),
        unchanged(keys.owner(loss.vm), view.owners.get(loss.vm)),
        unchanged(key, view.orders.get(loss.vm)),
        ...copiesOn(view, loss.vm, loss.to).map((copy) => unchanged(copy.key, copy.record)),
        ...pointCompares(view, loss),
      ],
      [put(key, order)],
    ),
    outcome: { kind: "cluster-changed" },
    events: [
      {
        ...{ type: "failover-with-loss-ordered", subjects: { vm: loss.vm, host: loss.to }, reason: null },
        params: { vm: loss.name, host: hostName(view, loss.to), lostMs: loss.lostMs ?? -1 },
        ...{ alternatives: [], actor: asked.actor },
      },
    ],
  };
}

/** From the order on nobody drops it. */
function pointCompares(view: ClusterView, { vm, point }: Loss): readonly Compare[] {
  const key = keys.point(vm, point ?? "");
  return point === undefined ? [] : [unchanged(key, view.points.get(key))];
}
