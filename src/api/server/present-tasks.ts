import { valuesInKeyOrder } from "../../base/order.ts";
import { moveTurns } from "../../core/move-turns.ts";
import { copiesState, protectionOf } from "../../core/replication-duty.ts";
import { hostName, vmName } from "../../core/requests/find.ts";
import { whyStartWaits } from "../../core/start-waits.ts";
import { whyMoveStopsFirst } from "../../core/stopped-first.ts";
import { type Waiting, waitsToLeave } from "../../core/waits-to-leave.ts";
import type { HostId, VmId, WallMs } from "../../model/ids.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Reason } from "../../model/reason.ts";
import { systemActor, type Task, type Vm } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { TaskOutput } from "../contract/task.ts";
import { mayBeUp, type Tracker } from "./tracker.ts";

/** `isHeard`: whether what a host says of its guests is of now. */
type Seen = {
  readonly turns: ReturnType<typeof moveTurns>;
  readonly isHeard: (host: HostId) => boolean;
  /** As `isHeard`, but whoever hears nothing itself takes nobody for silent. */
  readonly mayBeUp: (host: HostId) => boolean;
  readonly at: WallMs;
};
type Tracked = Pick<Tracker, "contact" | "wall">;

function seenBy(view: ClusterView, tracker: Tracked): Seen {
  const { contact, wall } = tracker;
  const isHeard = (host: HostId): boolean => contact(host) === "up";
  return { turns: moveTurns(view), isHeard, mayBeUp: mayBeUp(tracker), at: wall() };
}

/** Tasks that have not ended, moves that nobody ordered as the tasks that they are, and those that are to come where a host is to be empty; of one VM, or of all. */
export function presentTasks(view: ClusterView, tracker: Tracked, of?: VmId): TaskOutput[] {
  const seen = seenBy(view, tracker);
  const isMeant = ({ vm }: { readonly vm: VmId }): boolean => of === undefined || vm === of;
  const open = valuesInKeyOrder(view.tasks)
    .map(({ value }) => value)
    .filter((task) => isMeant(task) && task.end === null);
  const ordered = new Set(open.flatMap(({ kind, vm, to }) => (kind === "move-vm" ? [`${vm} ${to}`] : [])));
  const moves = valuesInKeyOrder(view.moves).map(({ value }) => value);
  return [
    ...open.map((task) => presentWith(view, task, seen)),
    ...moves
      .filter((move) => isMeant(move) && move.answer.kind === "open" && !ordered.has(`${move.vm} ${move.to}`))
      .map((move) => presentMoveAsTask(view, move, seen)),
    ...waitsToLeave(view, seen.at)
      .filter(({ vm }) => isMeant({ vm: vm.id }))
      .map((one) => presentWaiting(view, one)),
    ...valuesInKeyOrder(view.vms)
      .filter(({ value }) => isMeant({ vm: value.id }))
      .flatMap(({ value }) => presentCopy(view, value, seen.at)),
  ];
}

export function presentTask(view: ClusterView, tracker: Tracked, task: Task): TaskOutput {
  return presentWith(view, task, seenBy(view, tracker));
}

function presentWith(view: ClusterView, task: Task, seen: Seen): TaskOutput {
  const { id, kind, vm, to, percent, end, actor, at } = task;
  const names = { vmName: vmName(view, vm), toName: to === null ? null : hostName(view, to) };
  const move = view.moves.get(vm)?.value;
  const isMoving = kind === "move-vm" && end === null && move?.to === to;
  const course = isMoving ? courseOf(view, move, seen) : { percent, copying: null, queue: null, lastWordOf: null };
  const reason = isMoving ? move.reason : whyWaits(view, task);
  const stoppedFirst = kind === "move-vm" && end === null ? (whyMoveStopsFirst(view, vm, to) ?? null) : null;
  const told = { id, kind, vm, to, ...names, end, actor, reason, at, stoppedFirst, waits: whyStands(view, task, seen) };
  // Its record counts a move from when it was written, also one that has not had its turn.
  return { ...told, ...course, percent: course.queue === null ? Math.max(percent, course.percent) : 0 };
}

/** A start that no host takes: it is tried again by itself, and nobody has to guess why nothing happens. */
function whyStands(view: ClusterView, { kind, vm: id, end }: Task, { mayBeUp, at }: Seen): TaskOutput["waits"] {
  const vm = view.vms.get(id)?.value;
  if (kind !== "start-vm" || end !== null || vm === undefined || view.disarm !== undefined) return null;
  const why = whyStartWaits(view, vm, mayBeUp, at);
  return why === undefined ? null : { code: why.code, params: why.params };
}

/** HM5: what was wanted before or meanwhile is carried out once the cluster is armed. */
function whyWaits({ disarm }: ClusterView, { end }: Task): Reason | null {
  if (disarm === undefined || end !== null) return null;
  return { rule: "HM5", code: "disarmed", params: { mode: disarm.value.mode } };
}

/** The manager's own, which has no record as a task: under the name of its VM. */
function presentMoveAsTask(view: ClusterView, move: VmMove, seen: Seen): TaskOutput {
  const { vm, to, reason, at } = move;
  return {
    id: `move-of-${vm}`,
    kind: "move-vm",
    vm,
    to,
    vmName: vmName(view, vm),
    toName: hostName(view, to),
    ...courseOf(view, move, seen),
    stoppedFirst: whyMoveStopsFirst(view, vm, to) ?? null,
    waits: null,
    end: null,
    actor: systemActor,
    reason,
    at,
  };
}

/** So that nobody takes a host for done that waits to be empty. */
function presentWaiting(view: ClusterView, { vm: { id }, at, why, waits }: Waiting): TaskOutput {
  return {
    id: `leaving-of-${id}`,
    kind: "move-vm",
    vm: id,
    to: null,
    vmName: vmName(view, id),
    toName: null,
    percent: 0,
    copying: null,
    queue: null,
    lastWordOf: null,
    stoppedFirst: null,
    waits,
    end: null,
    actor: systemActor,
    reason: why,
    at,
  };
}

/** Of a VM in a group: its copy is made, or brought up to date. */
function presentCopy(view: ClusterView, { id, name }: Vm, now: WallMs): TaskOutput[] {
  const owner = view.owners.get(id)?.value;
  const to = protectionOf(view, id)?.to;
  if (owner?.kind !== "held" || to === undefined || copiesState(view, id, owner, to) !== "copying") return [];
  const known = view.copyings.get(id)?.value;
  const isOfIt = known?.epoch === owner.epoch && known.to === to;
  const toName = hostName(view, to);
  return [
    {
      ...{ id: `copy-of-${id}`, kind: "copy-vm", vm: id, to, vmName: name, toName },
      ...{ percent: isOfIt ? known.percent : 0, copying: null, queue: null, lastWordOf: null, stoppedFirst: null },
      ...{ waits: null, end: null, actor: systemActor },
      reason: { rule: "S17", code: "group-vm-copying", params: { vm: name, host: toName } },
      at: isOfIt ? known.at : now,
    },
  ];
}

/** A third of the way is over once it is under way and has its turn, the last one begins when the VM has changed hands. */
function courseOf(
  view: ClusterView,
  move: VmMove,
  { turns, isHeard }: Seen,
): Pick<TaskOutput, "percent" | "copying" | "queue" | "lastWordOf"> {
  const turn = turns.get(move.vm) ?? 0;
  const queue = turn > 0 && move.live?.kind === "asked" ? turn : null;
  if (queue !== null) return { percent: 0, copying: null, queue, lastWordOf: null };
  const owner = view.owners.get(move.vm)?.value;
  if (move.live?.kind === "switched" || owner?.kind === "released" || owner?.host === move.to)
    return { percent: 67, copying: null, queue, lastWordOf: null };
  const copying = copyingOf(view, move);
  const lastWordOf = copying === null || isHeard(move.from) ? null : hostName(view, move.from);
  return { percent: 33 + Math.floor((copying?.percent ?? 0) / 3), copying, queue, lastWordOf };
}

/** What the status of the run that is moved says of it. */
function copyingOf(view: ClusterView, { vm, epoch }: VmMove): TaskOutput["copying"] {
  const status = view.statuses.get(vm)?.value;
  const copying = status?.epoch === epoch ? status?.copying : undefined;
  if (copying === undefined) return null;
  const { mibPerSecond, remainingMiB } = copying;
  return { ...copying, remainingMs: mibPerSecond > 0 ? Math.ceil((remainingMiB / mibPerSecond) * 1_000) : null };
}
