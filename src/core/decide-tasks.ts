import { inKeyOrder } from "../base/order.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Params } from "../model/reason.ts";
import type { Intent, PointIntent, ResetIntent, Task } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import { type ClusterView, fenceOf, type Stored } from "../model/view.ts";
import type { Decision, ManagerKnowledge } from "./decision.ts";
import { progressOfMove } from "./move-task.ts";
import { pointsOf } from "./points.ts";
import { put, remove, transaction, unchanged } from "./transactions.ts";
import { vmError } from "./vm-error.ts";
import { runsAsOwned } from "./vm-state.ts";

/** Ended tasks and answered intents stay this long for whoever asks how it went. */
const keepEndedMs = 600_000;

/**
 * Ends tasks whose aim is reached or cannot be reached, and removes old ones; `room` of them at most, the rest later.
 * `decided`: VMs of which something is decided in the same round; what it means for their tasks is seen once it is done.
 */
export function decideTasks(
  view: ClusterView,
  known: ManagerKnowledge,
  also: readonly Compare[],
  room: number,
  decided: ReadonlySet<string> = new Set(),
): Decision[] {
  const decisions: Decision[] = [];
  for (const [id, task] of inKeyOrder(view.tasks)) {
    if (decisions.length >= room) return decisions;
    const key = keys.task(id);
    const compares = [unchanged(key, task), ...also];
    if (task.value.end !== null) {
      if (known.wall - task.value.end.at > keepEndedMs) {
        decisions.push({ subject: id, transaction: transaction(compares, [remove(key)]), events: [] });
      }
      continue;
    }
    const next = decided.has(task.value.vm) ? undefined : progress(view, task.value, known.wall);
    if (next !== undefined)
      decisions.push({ subject: id, transaction: transaction(compares, [put(key, next)]), events: [] });
  }
  for (const [id, intent] of inKeyOrder(view.intents)) {
    if (decisions.length >= room) return decisions;
    const key = keys.intent(id);
    const compares = [unchanged(key, intent), ...also];
    const { answer } = intent.value;
    if (answer.kind === "open") {
      const next = answerForTheDead(view, intent.value, known.wall);
      if (next !== undefined)
        decisions.push({ subject: id, transaction: transaction(compares, [put(key, next)]), events: [] });
    } else if (known.wall - answer.at > keepEndedMs) {
      decisions.push({ subject: id, transaction: transaction(compares, [remove(key)]), events: [] });
    }
  }
  return decisions;
}

/** An order to a life of a host, or to a run of a VM, that is over is answered by nobody else. */
function answerForTheDead(view: ClusterView, intent: Intent, at: WallMs): Intent | undefined {
  if (intent.kind === "point") return answerForPoint(view, intent, at);
  if (intent.kind === "reset-vm") return answerForReset(view, intent, at);
  const { host, incarnation } = intent;
  const isOver =
    view.hosts.get(host)?.value.incarnation !== incarnation || fenceOf(view, host, incarnation) !== undefined;
  if (!isOver) return undefined;
  return { ...intent, answer: { kind: "refused", code: "leave-overtaken", params: { host }, at } };
}

/** The wish is for one run: where that is let go, followed by another or lost with its host, no agent has it any more. */
function answerForReset(view: ClusterView, intent: ResetIntent, at: WallMs): Intent | undefined {
  const owner = view.owners.get(intent.vm)?.value;
  const isHeld = owner?.kind === "held" && owner.epoch === intent.epoch;
  if (isHeld && fenceOf(view, owner.host, owner.incarnation) === undefined) return undefined;
  const params = { vm: view.vms.get(intent.vm)?.value.name ?? intent.vm };
  return { ...intent, answer: { kind: "refused", code: "vm-not-running", params, at } };
}

/** What is wanted of a recovery point is answered by its host, or of the run; where that is lost nobody else does it. */
function answerForPoint(view: ClusterView, intent: PointIntent, at: WallMs): Intent | undefined {
  const { host, vm } = intent;
  const present = view.hosts.get(host)?.value.incarnation;
  const isLost = present === undefined || fenceOf(view, host, present) !== undefined;
  // Points outlive their VM, and can be exported and dropped; nothing else is done with them.
  const isThere = view.vms.has(vm) || (intent.wish.act !== "take" && pointsOf(view, vm).length > 0);
  if (isThere && !isLost) return undefined;
  const params = { vm: view.vms.get(vm)?.value.name ?? vm, host };
  return { ...intent, answer: { kind: "refused", code: "point-host-lost", params, at } };
}

function progress(view: ClusterView, task: Task, at: WallMs): Task | undefined {
  const vm = view.vms.get(task.vm);
  const owner = view.owners.get(task.vm)?.value;
  const done: Task = { ...task, percent: 100, end: { kind: "done", at } };
  if (task.kind === "delete-vm") return vm === undefined ? done : undefined;
  const failed = (code: string, params: Params): Task => ({
    ...task,
    end: { kind: "failed", code, params, at },
  });
  if (vm === undefined) return failed("vm-gone", { vm: task.vm });
  const name = vm.value.name;
  if (task.kind === "move-vm") return progressOfMove(view, task, vm.value, at);
  const error = vmError(view, task.vm);
  if (task.kind === "stop-vm") {
    if (vm.value.requested === "started") return failed("superseded", { vm: name });
    if (error !== undefined) return failed(error.code, error.params);
    return owner?.kind === "held" ? undefined : done;
  }
  if (vm.value.requested !== "started") return failed("superseded", { vm: name });
  if (error !== undefined) return failed(error.code, error.params);
  return runsAsOwned(view, task.vm) ? done : advance(view, task);
}

/** Placed: a third; QEMU is being started: two thirds. */
function advance(view: ClusterView, task: Task): Task | undefined {
  const owner: Stored<unknown> | undefined = view.owners.get(task.vm);
  const held = view.owners.get(task.vm)?.value.kind === "held";
  const status = view.statuses.get(task.vm)?.value;
  const percent = owner !== undefined && held ? (status?.phase === "starting" ? 67 : 33) : 0;
  return percent > task.percent ? { ...task, percent } : undefined;
}
