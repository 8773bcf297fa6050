import { backoffMs } from "../base/backoff.ts";
import type { Revision, VmId } from "../model/ids.ts";
import type { VmPlan } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Vm } from "../model/records.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import { event } from "./decision.ts";
import { limits } from "./limits.ts";
import { isCalledOff, isOutdated } from "./move-failures.ts";
import type { VmRound } from "./vm-round.ts";

/** What a manager counts its own waiting from: a VM's failed moves, as its plan of this revision tells them. */
export function failureKey(vm: VmId, { revision }: { readonly revision: Revision }): string {
  return `${vm} ${revision}`;
}

/**
 * Whether the cluster may try by itself to move the VM now (HM2). After each failure it waits twice as long, by this
 * process's own clock from when it first saw that failure; after as many as the policy allows it gives up and says so,
 * until a person or the cluster changes something that a move depends on.
 */
export function mayMove(round: VmRound, vm: Vm): boolean {
  const attempt = nextAttempt(round, vm);
  if (attempt.kind === "given-up") {
    const { failed } = attempt;
    const reason = { rule: "HM2", code: failed.code, params: { vm: vm.name } };
    const params = { vm: vm.name, to: failed.to, count: failed.count };
    round.say(vm.id, event("vm-move-given-up", { vm: vm.id }, params, reason));
  } else if (attempt.kind === "later") round.wake(attempt.at);
  return attempt.kind === "now";
}

/** The same of a VM that nobody has to move: one of many that could be is not told of. */
export function isTried(round: VmRound, vm: Vm): boolean {
  return nextAttempt(round, vm).kind === "now";
}

type Attempt =
  | { readonly kind: "now" }
  | { readonly kind: "later"; readonly at: number }
  | { readonly kind: "given-up"; readonly failed: Failed };
type Failed = NonNullable<VmPlan["failedMoves"]>;

function nextAttempt(round: VmRound, vm: Vm): Attempt {
  const wait = waitOf(round.view, vm);
  if (wait.kind !== "later") return wait;
  const seenAt = round.known.failuresSeenAt.get(failureKey(vm.id, wait.plan)) ?? round.known.now;
  const dueAt = seenAt + wait.afterMs;
  if (round.known.now >= dueAt) return { kind: "now" };
  return { kind: "later", at: dueAt };
}

/** `later`: so long after the failure that the plan tells of; by whose clock, who asks knows. */
type Wait =
  | { readonly kind: "now" }
  | { readonly kind: "later"; readonly plan: Stored<VmPlan>; readonly failed: Failed; readonly afterMs: number }
  | { readonly kind: "given-up"; readonly failed: Failed };

/** As the records tell, whether the cluster tries by itself to move the VM. */
export function waitOf(view: ClusterView, vm: Vm): Wait {
  const plan = view.plans.get(vm.id);
  const failed = plan?.value.failedMoves ?? null;
  if (plan === undefined || failed === null) return { kind: "now" };
  const { moveAttemptsMax } = view.policy?.value ?? defaultPolicy;
  if (failed.count >= moveAttemptsMax && !isOutdated(view, plan)) return { kind: "given-up", failed };
  // Whoever called it off did so once: the cluster does not come back to it at once. All else has changed what it decides by.
  if (isCalledOff(failed.code) && failed.code !== "move-cancelled") return { kind: "now" };
  const afterMs = backoffMs(Math.max(0, failed.count - 1), limits.moveRetryFirstMs, limits.moveRetryMaxMs);
  return { kind: "later", plan, failed, afterMs };
}
