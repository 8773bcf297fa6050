import { inKeyOrder } from "../base/order.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Task } from "../model/records.ts";
import type { Compare } from "../model/transaction.ts";
import type { ClusterView, Stored } from "../model/view.ts";
import type { Decision, ManagerKnowledge } from "./decision.ts";
import { progressOfMove } from "./move-task.ts";
import { put, remove, transaction, unchanged } from "./transactions.ts";

/** Ended tasks and answered intents stay this long for whoever asks how it went. */
const keepEndedMs = 600_000;

/** Ends tasks whose aim is reached or cannot be reached, and removes old ones. */
export function decideTasks(view: ClusterView, known: ManagerKnowledge, also: readonly Compare[]): Decision[] {
  const decisions: Decision[] = [];
  for (const [id, task] of inKeyOrder(view.tasks)) {
    const key = keys.task(id);
    const compares = [unchanged(key, task), ...also];
    if (task.value.end !== null) {
      if (known.wall - task.value.end.at > keepEndedMs) {
        decisions.push({ subject: id, transaction: transaction(compares, [remove(key)]), events: [] });
      }
      continue;
    }
    const next = progress(view, task.value, known.wall);
    if (next !== undefined)
      decisions.push({ subject: id, transaction: transaction(compares, [put(key, next)]), events: [] });
  }
  for (const [id, intent] of inKeyOrder(view.intents)) {
    const { answer } = intent.value;
    if (answer.kind === "open" || known.wall - answer.at <= keepEndedMs) continue;
    const key = keys.intent(id);
    decisions.push({
      subject: id,
      transaction: transaction([unchanged(key, intent), ...also], [remove(key)]),
      events: [],
    });
  }
  return decisions;
}

function progress(view: ClusterView, task: Task, at: WallMs): Task | undefined {
  const vm = view.vms.get(task.vm);
  const owner = view.owners.get(task.vm)?.value;
  const done: Task = { ...task, percent: 100, end: { kind: "done", at } };
  if (task.kind === "delete-vm") return vm === undefined ? done : undefined;
  const failed = (code: string, params: Record<string, string>): Task => ({
    ...task,
    end: { kind: "failed", code, params, at },
  });
  if (vm === undefined) return failed("vm-gone", { vm: task.vm });
  const name = vm.value.name;
  if (task.kind === "move-vm") return progressOfMove(view, task, vm.value, at);
  if (task.kind === "stop-vm") {
    if (vm.value.requested === "started") return failed("superseded", { vm: name });
    return owner?.kind === "held" ? undefined : done;
  }
  if (vm.value.requested !== "started") return failed("superseded", { vm: name });
  if (owner?.kind === "released" && owner.failedHosts.length > vm.value.maxRelocate) {
    return failed("vm-gave-up", { vm: name, hosts: owner.failedHosts.join(", "), exit: owner.failed ?? "unknown" });
  }
  return isRunning(view, task) ? done : advance(view, task);
}

function isRunning(view: ClusterView, task: Task): boolean {
  const owner = view.owners.get(task.vm)?.value;
  const status = view.statuses.get(task.vm)?.value;
  return owner?.kind === "held" && status?.epoch === owner.epoch && status.phase === "running";
}

/** Placed: a third; QEMU is being started: two thirds. */
function advance(view: ClusterView, task: Task): Task | undefined {
  const owner: Stored<unknown> | undefined = view.owners.get(task.vm);
  const held = view.owners.get(task.vm)?.value.kind === "held";
  const status = view.statuses.get(task.vm)?.value;
  const percent = owner !== undefined && held ? (status?.phase === "starting" ? 67 : 33) : 0;
  return percent > task.percent ? { ...task, percent } : undefined;
}
