import { inKeyOrder } from "../base/order.ts";
import type { VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Reason } from "../model/reason.ts";
import type { Owner, Vm } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { type Decided, type Decision, event, type ManagerKnowledge, type Notice } from "./decision.ts";
import { type FenceProof, poolsOf, proveGone } from "./fencing.ts";
import { forgetFailuresTransaction, placeTransaction, releaseLostTransaction } from "./ownership.ts";
import { otherFigures } from "./placement/notice.ts";
import { assign, openRound, type PlacementRound } from "./placement/round.ts";
import { select } from "./placement/select.ts";

type VmDecision = { readonly decision?: Decision; readonly notice?: Notice };

/** Starts, recoveries and releases: one transaction per VM (S14). `busy` subjects wait for their last transaction. */
export function decideVms(
  view: ClusterView,
  known: ManagerKnowledge,
  also: readonly Compare[],
  busy: ReadonlySet<string>,
): Decided {
  const decisions: Decision[] = [];
  const notices: Notice[] = [];
  const round = openRound(view, known);
  for (const [id, vm] of inKeyOrder(view.vms)) {
    if (busy.has(subjectOf(id)) || view.unreadable.has(keys.owner(id))) continue;
    const { decision, notice } = decideVm(view, vm.value, round, also);
    if (decision !== undefined) decisions.push(decision);
    if (notice !== undefined) notices.push(notice);
  }
  const told = otherFigures(round);
  return { decisions, notices: told === undefined ? notices : [...notices, told], wakeAt: undefined };
}

export function subjectOf(vm: VmId): string {
  return vm;
}

function decideVm(view: ClusterView, vm: Vm, round: PlacementRound, also: readonly Compare[]): VmDecision {
  if (vm.requested === "ignored") return {};
  const owner = view.owners.get(vm.id)?.value;
  if (owner?.kind === "held") return decideHeld(view, vm, owner, round, also);
  if (vm.requested !== "started") return forget(view, vm, also);
  if (owner !== undefined && owner.failedHosts.length > vm.maxRelocate) return { notice: gaveUp(vm, owner) };
  const reason: Reason = { rule: "S14", code: "vm-wanted-and-free", params: { vm: vm.name } };
  return start(view, vm, undefined, round, also, reason);
}

/** A held VM concerns the manager only where its holder is gone for good. */
function decideHeld(
  view: ClusterView,
  vm: Vm,
  owner: Extract<Owner, { kind: "held" }>,
  round: PlacementRound,
  also: readonly Compare[],
): VmDecision {
  const { host, incarnation } = owner;
  if (fenceOf(view, host, incarnation) === undefined) return {};
  const pools = poolsOf(vm, view);
  const proof = pools === undefined ? undefined : proveGone(view, host, incarnation, pools);
  if (proof === undefined) return { notice: unproven(view, vm, owner) };
  if (vm.requested !== "started") {
    return {
      decision: {
        subject: subjectOf(vm.id),
        transaction: releaseLostTransaction(view, vm.id, proof, also),
        events: [event("vm-released", { vm: vm.id, host }, { vm: vm.name, host })],
      },
    };
  }
  const reason: Reason = {
    rule: "S10",
    code: "holder-proven-gone",
    params: { vm: vm.name, host, incarnation, proof: proof.by },
  };
  return start(view, vm, proof, round, also, reason);
}

function start(
  view: ClusterView,
  vm: Vm,
  proof: FenceProof | undefined,
  round: PlacementRound,
  also: readonly Compare[],
  reason: Reason,
): VmDecision {
  const lives = proof !== undefined && (view.hosts.get(proof.host)?.value.incarnation ?? 0) > proof.incarnation;
  const placement = select(round, vm, { preference: "best", without: lives ? undefined : proof?.host });
  if (placement.kind === "nowhere") {
    const told = event("vm-nowhere", { vm: vm.id }, { vm: vm.name }, reason, placement.alternatives);
    return { notice: { subject: subjectOf(vm.id), event: told } };
  }
  assign(round, vm, placement.on);
  const type = proof === undefined ? "vm-placed" : "vm-recovered";
  const epoch = (view.owners.get(vm.id)?.value.epoch ?? 0) + 1;
  const params = { vm: vm.name, host: placement.on, epoch, ...(proof === undefined ? {} : { from: proof.host }) };
  return {
    decision: {
      subject: subjectOf(vm.id),
      transaction: placeTransaction(view, vm.id, placement.on, proof, also),
      places: { vm: vm.id, on: placement.on },
      events: [event(type, { vm: vm.id, host: placement.on }, params, reason, placement.alternatives)],
    },
  };
}

function forget(view: ClusterView, vm: Vm, also: readonly Compare[]): VmDecision {
  const transaction = forgetFailuresTransaction(view, vm.id, also);
  if (transaction === undefined) return {};
  const told = event("vm-failures-forgotten", { vm: vm.id }, { vm: vm.name });
  return { decision: { subject: subjectOf(vm.id), transaction, events: [told] } };
}

function gaveUp(vm: Vm, owner: Extract<Owner, { kind: "released" }>): Notice {
  const params = { vm: vm.name, hosts: owner.failedHosts.join(", "), exit: owner.failed ?? "unknown" };
  return { subject: subjectOf(vm.id), event: event("vm-gave-up", { vm: vm.id }, params) };
}

/** S10: a missing proof is shown by name; the VM is not started. */
function unproven(view: ClusterView, vm: Vm, owner: Extract<Owner, { kind: "held" }>): Notice {
  const device = view.devices.has(owner.host);
  const params = { vm: vm.name, host: owner.host, incarnation: owner.incarnation, device };
  const reason: Reason = { rule: "S10", code: "proof-missing", params };
  return {
    subject: subjectOf(vm.id),
    event: event("vm-waits-for-proof", { vm: vm.id, host: owner.host }, params, reason),
  };
}
